"""Callbacks of the SMS provider: what became of a message, and what a person answered.

The organisation is in the URL, and the provider's signature covers the URL. So a callback acts
only in the organisation that the provider was given the URL for. These routes are for providers
and not for clients: the OpenAPI document does not have them.
"""

from typing import Final, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from events.record import Cause, Stream
from services.adapters import sms_provider
from services.adapters.callback_urls import SMS_MESSAGES, SMS_STATUS
from services.api.context import ApiContext, context_of
from services.api.problems import Problem, not_found
from services.api.provider_signatures import SMS_SIGNATURE, is_signed_sms_callback
from services.api.rate_limit.limits import limit_network
from services.api.request_body import read_bytes
from services.api.table_fit import require_fitting_tables
from services.application.command_handler import transact
from services.application.delivery_reports import ACTOR, DeliveryReport, report_delivery
from services.application.inbound_sms import InboundSms, receive_sms
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.opt_out_words import Meaning
from services.host import find_stream_owner
from services.runtime.unicode_text import normalize_texts

MAX_FIELDS = 200
MAX_TEXT = 10_000
_NO_ANSWER: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
"""The provider sends nothing because of this answer: what is sent is planned as a delivery."""


class SignedCallback(NamedTuple):
    """A callback with a valid signature: its organisation and its form."""

    org_id: UUID
    form: dict[str, str]


async def receive_sms_message(request: Request) -> Response:
    """Act on an SMS that a person sent."""
    context = context_of(request)
    callback = await _verify(request, context)
    form = callback.form
    if not form.get("MessageSid") or not form.get("From"):
        raise Problem(400, "invalid", "MessageSid or From is missing: send both")
    sms = InboundSms(
        callback.org_id, form["MessageSid"][:MAX_TEXT], form["From"][:MAX_TEXT],
        form.get("Body", "")[:MAX_TEXT] or "(no text)", context.clock.now(),
        _provider_meaning(form),
    )  # fmt: skip
    await require_fitting_tables(context, None)
    async with context.pool.acquire() as conn:
        await receive_sms(conn, sms)  # type: ignore[arg-type]
    return _answer()


async def receive_sms_status(request: Request) -> Response:
    """Record what the provider reports about a delivery.

    An id that is unknown, or of another organisation, gets the same answer as a known one.
    """
    context = context_of(request)
    callback = await _verify(request, context)
    delivery_id, form = UUID(str(request.path_params["delivery_id"])), callback.form
    report = _report(delivery_id, form)
    async with context.pool.acquire() as conn:
        owner = await find_stream_owner(conn, Stream("delivery", delivery_id))
    if owner is None or owner[0] != callback.org_id or owner[1] is None:
        return _answer()
    await require_fitting_tables(context, None)

    async def work(uow: UnitOfWork) -> None:
        await report_delivery(uow, report)

    scope = Scope(callback.org_id, owner[1], context.clock.now(), Cause(ACTOR))
    await transact(context.pool, scope, work)
    return _answer()


def _report(delivery_id: UUID, form: dict[str, str]) -> DeliveryReport:
    status = form.get("MessageStatus", "")
    code = sms_provider.code_of(form.get("ErrorCode"))
    detail = f"the provider reported {status[:20]}"
    if code is not None:
        detail += f" with error {form['ErrorCode'][:20]}"
    arrived = None
    if status in sms_provider.DELIVERED:
        arrived = True
    elif status in sms_provider.FAILED:
        arrived = False
    return DeliveryReport(
        delivery_id, arrived, form.get("MessageSid", "")[:200] or None, detail,
        (code or "failed") if arrived is False else None,
        is_known=status in sms_provider.ON_ITS_WAY,
    )  # fmt: skip


def _provider_meaning(form: dict[str, str]) -> Meaning | None:
    """Return the keyword to which the provider itself has answered."""
    try:
        meaning = Meaning(form.get("OptOutType", "").lower())
    except ValueError:
        return None
    return meaning if meaning in (Meaning.STOP, Meaning.START, Meaning.HELP) else None


async def _verify(request: Request, context: ApiContext) -> SignedCallback:
    """Return the callback. Raise 403 without a valid signature, 404 where no provider is set."""
    settings = context.settings
    if settings.sms_auth_token is None or settings.public_url is None:
        raise not_found("callback")
    raw = await read_bytes(request)
    try:
        fields = parse_qsl(
            raw.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError:
        fields = []
    path = request.scope.get("raw_path", request.url.path.encode()).decode("ascii", "replace")
    query = request.scope.get("query_string", b"").decode("ascii", "replace")
    url = settings.public_url.rstrip("/") + path + (f"?{query}" if query else "")
    signature = request.headers.get(SMS_SIGNATURE, "")
    is_signed = is_signed_sms_callback(signature, settings.sms_auth_token, url, fields)
    form = {name: value.replace("\x00", "") for name, value in fields}
    if not is_signed or form.get("AccountSid") not in (None, settings.sms_account):
        await limit_network(request)
        raise Problem(403, "bad_signature", "the signature is not the provider's: check the token")
    org_id = UUID(str(request.path_params["org_id"]))
    normalized: dict[str, str] = normalize_texts(form)
    return SignedCallback(org_id, normalized)


def _answer() -> Response:
    return Response(_NO_ANSWER, media_type="text/xml")


def _route(path: str) -> str:
    return path.replace("{org_id}", "{org_id:uuid}").replace("{delivery_id}", "{delivery_id:uuid}")


ROUTES = (
    Route(_route(SMS_MESSAGES), receive_sms_message, methods=["POST"]),
    Route(_route(SMS_STATUS), receive_sms_status, methods=["POST"]),
)
