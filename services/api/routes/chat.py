"""The widget's chat: a turn of the visitor, and what was said since."""

from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.fields import Body
from events.log.commands import Command
from services.api.auth.callers import WidgetCaller
from services.api.auth.session_tokens import Proof, token_of
from services.api.context import Core, core_of
from services.api.error_codes import CHAT, CONTACT, NOT_FOUND, OF_LEAD, SINCE, refuses
from services.api.new_messages import read_since
from services.api.problems import Problem
from services.api.rate_limit.limits import limit
from services.api.request_body import Taken, Takes
from services.api.responses import Once, Reached, answered, command_of
from services.api.retries import as_retried
from services.api.schemas import example
from services.api.schemas.chat import ChatSent, ChatTurned, LeadInfo, MessagesSince
from services.application.chat_turns import take_turn
from services.application.visitor_messages import CHAT_SOURCE, Said
from services.deciders.contacts import email_of, phone_of
from services.deciders.leads import Details
from services.host import load_property

router = APIRouter(prefix="/api/lumaleasing", tags=["widget"])


_BODY: TypeAdapter[str] = TypeAdapter(Body)


@router.post(
    "/chat", summary="Say something; the bot, or nobody, answers", response_model=ChatTurned,
    responses=refuses(CHAT, CONTACT, OF_LEAD), dependencies=[Once],
)  # fmt: skip
async def say(
    request: Request,
    caller: WidgetCaller,
    sent: Annotated[Taken[ChatSent], Depends(Takes(ChatSent))],
) -> Response:
    body, core = sent.said, core_of(request)
    content = _last_of(body)
    if body.lead_info is not None:
        await limit(request, caller, body.lead_info.email, body.lead_info.phone)
    command = command_of(request, caller, sent.raw)
    command = command or await as_retried(core.pool, caller, body, sent.raw)
    message_id = body.message_id or (_message_of(command) if command else uuid7())
    said = Said(
        message_id, content, body.session_id, body.conversation_id, caller.visitor_id,
        _header(request, "user-agent"), _header(request, "referer"),
        await _details(core, caller, body.lead_info), caller.proven,
    )  # fmt: skip
    where = (caller.org_id, caller.property_id)
    turned = await take_turn(core.pool, core.responder, where, said, command)
    proof = Proof(caller.property_id, UUID(turned.answer["sessionId"]), caller.visitor_id)
    token = token_of(core.signing_key, proof)
    return answered({**turned.answer, "sessionToken": token}, 200, turned.token)


@router.get(
    "/chat", summary="What was said in a session since", response_model=MessagesSince,
    responses=refuses(SINCE, NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def since(
    request: Request,
    caller: WidgetCaller,
    session: Annotated[UUID, Query(alias="sessionId", examples=[example.SESSION])],
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """`after` is the id of the last message seen, or an instant; `after` of the answer is next."""
    found = await read_since(core_of(request), caller, session, None, after)
    last = found.messages[-1]["id"] if found.messages else after
    return answered({"messages": found.messages, "after": last, **found.state})


def _message_of(command: Command) -> UUID:
    """The message that a command says. Its key may say another one when its time is over."""
    return uuid5(command.id, f"message/{command.digest.hex()}")


def _last_of(body: ChatSent) -> str:
    """What the visitor said last. Raises `Problem` where that is nothing."""
    text: Any = body.message
    if text is None:
        spoken = [line for line in body.messages or () if line.role == "user"]
        text = spoken[-1].content if spoken else None
    if not isinstance(text, str) or not text.strip():
        raise Problem(400, "empty_message", "the last message is empty")
    try:
        return _BODY.validate_python(text)
    except ValidationError as error:
        raise Problem(400, "invalid", error.errors()[0]["msg"]) from None


async def _details(core: Core, caller: WidgetCaller, info: LeadInfo | None) -> Details | None:
    if info is None:
        return None
    async with core.pool.acquire() as conn:
        host_property = await load_property(conn, caller.property_id)  # type: ignore[arg-type]
    return Details(
        CHAT_SOURCE, info.first_name, info.last_name, email_of(info.email),
        phone_of(info.phone, host_property.country),
    )  # fmt: skip


def _header(request: Request, name: str) -> str | None:
    text = request.headers.get(name, "").replace("\x00", "")[:2_000]
    return text or None
