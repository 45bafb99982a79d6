"""The provider that hands SMS to a Twilio-compatible HTTP API."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from events.deliveries import DeliveryChannel
from services.adapters.callback_urls import sms_status_url
from services.adapters.http_results import HttpAnswer, open_client, send_once
from services.adapters.provider import (
    OPTED_OUT,
    UNKNOWN_ADDRESS,
    Accepted,
    Finding,
    HandOverResult,
    HandOverUnknown,
    LookUp,
    NotHandedOver,
    OutgoingMessage,
    Rejected,
)
from services.runtime.provider_settings import ProviderSettings

CODES: Mapping[int, str] = {
    21610: OPTED_OUT,
    21211: UNKNOWN_ADDRESS,
    21614: UNKNOWN_ADDRESS,
    30005: UNKNOWN_ADDRESS,
    30006: UNKNOWN_ADDRESS,
}
"""Error codes of the provider (https://www.twilio.com/docs/api/errors) → our codes."""
FAILED = frozenset({"failed", "undelivered", "canceled"})
DELIVERED = frozenset({"delivered", "read"})
ON_ITS_WAY = frozenset({"accepted", "scheduled", "queued", "sending", "sent"})
_CLOCK_TOLERANCE = timedelta(minutes=5)
_SETTLED_AFTER = timedelta(minutes=15)
"""Time after a hand-over after which the provider's list has the message, if it exists."""
_PAGE_SIZE = 200


class SmsProvider:
    """SMS by a Twilio-compatible API. The delivery's id is in the address of the callback."""

    name = "twilio"
    channel = DeliveryChannel.SMS
    is_simulated = False

    def __init__(self, settings: ProviderSettings) -> None:
        if None in (settings.sms_account, settings.sms_auth_token, settings.sms_sender):
            raise ValueError("CRM_SMS_ACCOUNT, CRM_SMS_AUTH_TOKEN or CRM_SMS_SENDER is not set")
        self._settings = settings
        self._seconds = settings.sms_timeout_seconds
        self._client = open_client(self._seconds)

    async def hand_over(self, message: OutgoingMessage) -> HandOverResult:
        """Send the SMS with one request. Raises `HandOverUnknown`."""
        settings = self._settings
        sender = settings.sms_sender or ""
        form = {
            "To": message.recipient,
            "MessagingServiceSid" if sender.startswith("MG") else "From": sender,
            "Body": message.body,
        }
        if settings.public_url is not None:
            form["StatusCallback"] = sms_status_url(
                settings.public_url, message.org_id, message.delivery_id
            )
        request = self._client.build_request("POST", self._messages_url, data=form)
        answer = await self._send(request)
        return answer if isinstance(answer, NotHandedOver) else _result(answer)

    async def look_up(self, message: OutgoingMessage, claimed_at: datetime) -> LookUp:
        """Search the provider's list of messages by recipient, time and text."""
        day = (claimed_at - _CLOCK_TOLERANCE).date().isoformat()
        query = {"To": message.recipient, "DateSent>": day, "PageSize": str(_PAGE_SIZE)}
        request = self._client.build_request("GET", self._messages_url, params=query)
        try:
            answer = await self._send(request)
        except HandOverUnknown as error:
            return LookUp(Finding.NOT_KNOWN, detail=f"the provider cannot be asked: {error}")
        if isinstance(answer, NotHandedOver) or answer.status != 200:
            return LookUp(Finding.NOT_KNOWN, detail="the provider did not answer the question")
        return _find(_parse(answer.body), answer.headers, message, claimed_at)

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()

    @property
    def _messages_url(self) -> str:
        base = self._settings.sms_url.rstrip("/")
        account = quote(self._settings.sms_account or "", safe="")
        return f"{base}/2010-04-01/Accounts/{account}/Messages.json"

    async def _send(self, request: httpx2.Request) -> HttpAnswer | NotHandedOver:
        token = self._settings.sms_auth_token
        if self._settings.sms_account is not None and token is not None:
            auth = httpx2.BasicAuth(self._settings.sms_account, token.get_secret_value())
            request = next(auth.auth_flow(request))
        return await send_once(self._client, request, self._seconds)


def code_of(error_code: object) -> str | None:
    """Return our code for an error code of the provider; None without an error."""
    try:
        number = int(str(error_code))
    except ValueError:
        return None
    return CODES.get(number, f"twilio_{number}")


def _result(answer: HttpAnswer) -> HandOverResult:
    body = _parse(answer.body)
    if 200 <= answer.status < 300:
        external_id = body.get("sid")
        if not isinstance(external_id, str) or not external_id:
            # Not an answer of the API, such as the page of a proxy.
            raise HandOverUnknown(f"the provider answered {answer.status} without an id")
        if body.get("status") in FAILED:
            return Rejected(code_of(body.get("error_code")) or "failed", _reason(answer, body))
        return Accepted(external_id)
    if answer.status in (401, 403):  # of our account, not of the message
        return NotHandedOver("login_refused", _reason(answer, body))
    return Rejected(code_of(body.get("code")) or f"http_{answer.status}", _reason(answer, body))


def _reason(answer: HttpAnswer, body: Mapping[str, Any]) -> str:
    """Return the reason without the provider's own text: it can contain the number."""
    number = body.get("code") or body.get("error_code")
    detail = f" with error {number}" if isinstance(number, int) else ""
    return f"the provider answered {answer.status}{detail}"


def _find(
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    message: OutgoingMessage,
    claimed_at: datetime,
) -> LookUp:
    rows = body.get("messages")
    if not isinstance(rows, list):
        return LookUp(Finding.NOT_KNOWN, detail="the answer of the provider has no list")
    found = [row for row in rows if _is_of(row, message, claimed_at - _CLOCK_TOLERANCE)]
    if len(found) > 1:
        return LookUp(Finding.NOT_KNOWN, detail=f"{len(found)} messages have this text")
    if found:
        sid, status = found[0].get("sid"), found[0].get("status")
        external_id = sid if isinstance(sid, str) else None
        if status in FAILED:
            return LookUp(Finding.FAILED, external_id, code_of(found[0].get("error_code")))
        if status in DELIVERED | ON_ITS_WAY:
            return LookUp(Finding.DELIVERED, external_id, f"the provider has it as {status}")
        return LookUp(Finding.NOT_KNOWN, external_id, "the provider gives no known status")
    is_complete = body.get("next_page_uri") is None
    answered_at = _parse_time(headers.get("date"))
    is_settled = answered_at is not None and answered_at >= claimed_at + _SETTLED_AFTER
    if is_complete and is_settled:
        return LookUp(Finding.NEVER_RECEIVED)
    return LookUp(Finding.NOT_KNOWN, detail="the provider's list does not have it (yet)")


def _is_of(row: object, message: OutgoingMessage, since: datetime) -> bool:
    if not isinstance(row, dict) or not str(row.get("direction", "")).startswith("outbound"):
        return False
    created_at = _parse_time(row.get("date_created"))
    return (
        created_at is not None
        and created_at >= since
        and (row.get("to"), row.get("body")) == (message.recipient, message.body)
    )


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _parse_time(text: object) -> datetime | None:
    """Return a time in the form of RFC 2822, in which the provider writes all times."""
    try:
        at = parsedate_to_datetime(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None
