"""The reason that a console user gives for a change, in a header of the request."""

from typing import Annotated
from urllib.parse import unquote
from uuid import UUID

from fastapi import Header
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from uuid_utils.compat import uuid7

from events.fields import Text
from services.api.problems import Problem
from services.application.unit_of_work import UnitOfWork
from services.deciders.explanations import ExplainChange
from services.runtime.unicode_text import normalize_texts

REASON_HEADER = "X-CRM-Reason"
MAX_REASON_LENGTH = 1_000
_TEXT: TypeAdapter[str] = TypeAdapter(Text)


async def check_reason(
    reason: Annotated[
        str | None,
        Header(
            alias=REASON_HEADER,
            description="Why the change is made, percent-encoded UTF-8. It is recorded as an event "
            "of the lead, in the same transaction.",
            json_schema_extra={"maxLength": 9 * MAX_REASON_LENGTH},
        ),
    ] = None,
) -> None:
    """Raise 400 for a reason that cannot be stored."""
    if reason is not None:
        _parse(reason)


def find_reason(request: Request) -> str | None:
    """Return the reason of a request; None without one, or if it is blank. Raise 400."""
    text = request.headers.get(REASON_HEADER)
    return None if text is None else _parse(text) or None


def _parse(text: str) -> str:
    try:
        reason = _TEXT.validate_python(normalize_texts(unquote(text, errors="strict"))).strip()
    except (UnicodeDecodeError, ValidationError):
        reason = ""
        if text.strip():
            raise _invalid(text) from None
    if len(reason) > MAX_REASON_LENGTH:
        raise _invalid(text)
    return reason


def _invalid(text: str) -> Problem:
    return Problem(
        400, "invalid_reason",
        f"{REASON_HEADER} has {len(text)} characters or is not percent-encoded UTF-8: send at most "
        f"{MAX_REASON_LENGTH} characters of text",
    )  # fmt: skip


async def explain_change(uow: UnitOfWork, reason: str, user_id: UUID) -> None:
    """Record the reason of what was decided. Raise 400 if no lead is concerned.

    The first event of a lead is explained; all events of the transaction have its correlation.
    """
    for event_id, event in uow.events:
        lead_id = getattr(event, "lead_id", None)
        if isinstance(lead_id, UUID):
            await uow.execute(ExplainChange(uuid7(), lead_id, event_id, reason, user_id))
            return
    if uow.events:
        raise Problem(
            400, "reason_without_lead",
            "a reason is stored with a lead, and this change concerns none: "
            f"repeat it without {REASON_HEADER}",
        )  # fmt: skip
