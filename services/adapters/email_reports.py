"""Reports of mail servers about e-mails: bounces (RFC 3464) and complaints (RFC 5965)."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.adapters.email_message import parse_message_id
from services.adapters.provider import UNKNOWN_ADDRESS

MAX_BYTES = 10 * 1024 * 1024
MAX_PARTS = 200
_STATUS = re.compile(r"\b([245])\.([0-9]{1,3})\.([0-9]{1,3})\b")
_UNKNOWN_MAILBOX = re.compile(r"5\.1\.(?:1|2|3|10)")
_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "other", "opt-out"})


class ReportKind(StrEnum):
    """The meaning of a report about an e-mail."""

    DELIVERED = "delivered"
    FAILED = "failed"
    DELAYED = "delayed"
    """The server still tries: nothing is decided yet."""
    COMPLAINT = "complaint"


class EmailReport(NamedTuple):
    """A report about one delivery. `code` is set for a failure, `detail` has no personal data."""

    delivery_id: UUID
    kind: ReportKind
    detail: str
    code: str | None = None


def parse_email_report(content: bytes) -> EmailReport | None:
    """Return what an e-mail reports about a delivery; None if it is no report about one of ours.

    Only reports in the standard forms count. An answer of a person, or of a vacation program,
    proves nothing.
    """
    if len(content) > MAX_BYTES:
        return None
    try:
        email = message_from_bytes(content, policy=policy.default)
        parts = list(_walk(email))
        kind = str(email.get_param("report-type", "", "content-type")).lower()
    except (MessageError, LookupError, ValueError, TypeError, RecursionError):
        return None  # the library raises these for some malformed messages
    delivery_id = _find_delivery(parts)
    if email.get_content_type() != "multipart/report" or delivery_id is None:
        return None
    if kind == "delivery-status":
        return _read_status(delivery_id, parts)
    return _read_feedback(delivery_id, parts) if kind == "feedback-report" else None


def _walk(email: Message) -> Iterator[Message]:
    for number, part in enumerate(email.walk()):
        if number >= MAX_PARTS:
            return
        yield part


def _find_delivery(parts: list[Message]) -> UUID | None:
    """Return the delivery of the e-mail that the report returns, by its Message-ID."""
    for part in parts[1:]:
        if part.get_content_type() == "text/rfc822-headers":
            text = part.get_payload(decode=True)
            header = message_from_bytes(text if isinstance(text, bytes) else b"")
            identifier = header["Message-ID"]
        else:
            identifier = part["Message-ID"]
        if identifier and (delivery_id := parse_message_id(str(identifier))) is not None:
            return delivery_id
    return None


def _read_status(delivery_id: UUID, parts: list[Message]) -> EmailReport | None:
    for part in parts:
        action = str(part["Action"] or "").strip().lower()
        if not action:
            continue
        match = _STATUS.search(str(part["Status"] or ""))
        status = match[0] if match else ""
        detail = f"a mail server reported {action[:20]} {status}".rstrip()
        if action == "failed":
            unknown = _UNKNOWN_MAILBOX.fullmatch(status)
            code = UNKNOWN_ADDRESS if unknown else f"bounced_{status}".rstrip("_")
            return EmailReport(delivery_id, ReportKind.FAILED, detail, code)
        if action == "delivered":
            return EmailReport(delivery_id, ReportKind.DELIVERED, detail)
        return EmailReport(delivery_id, ReportKind.DELAYED, detail)
    return None


def _read_feedback(delivery_id: UUID, parts: list[Message]) -> EmailReport | None:
    for part in parts:
        if part.get_content_type() != "message/feedback-report":
            continue
        payload = part.get_payload()
        fields = payload[0] if isinstance(payload, list) and payload else None
        feedback = fields["Feedback-Type"] if isinstance(fields, EmailMessage) else None
        if feedback is None:
            text = part.get_payload(decode=True)
            feedback = message_from_bytes(text if isinstance(text, bytes) else b"")["Feedback-Type"]
        name = str(feedback or "").strip().lower()
        if name in _COMPLAINTS:
            detail = f"the recipient complained: {name}"
            return EmailReport(delivery_id, ReportKind.COMPLAINT, detail)
    return None
