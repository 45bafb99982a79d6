"""Routes of the widget's chat."""

from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.fields import Body
from events.log.commands import CommandId
from events.widgets import CHAT_SOURCE
from services.api.auth.session_tokens import SessionClaims, issue_session_token
from services.api.auth.visitors import Visitor
from services.api.auth.widget_authentication import WidgetVisitor
from services.api.consistency import WAIT_FOR_TOKEN, seal_token
from services.api.context import ApiContext, context_of
from services.api.error_codes import (
    CHAT,
    CONTACT,
    MESSAGE_CURSOR,
    NOT_FOUND,
    SUBJECT,
    error_responses,
)
from services.api.idempotency import (
    CHECK_IDEMPOTENCY_KEY,
    command_from_header,
    command_from_transcript,
)
from services.api.problems import Problem, invalid_request
from services.api.rate_limit.limits import limit_contacts
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.chat import ChatRequest, ChatResponse, LeadInfo, SessionMessagesResponse
from services.api.session_messages import read_messages
from services.api.table_fit import require_fitting_tables
from services.application.chat_turns import take_turn
from services.application.visitor_messages import VisitorMessage
from services.deciders.leads import Details

MAX_HEADER_LENGTH = 2_000
_CONTENT: TypeAdapter[str] = TypeAdapter(Body)

router = APIRouter(prefix="/api/lumaleasing", tags=["widget"])


@router.post(
    "/chat", summary="Send a message and get the bot's reply", response_model=ChatResponse,
    responses=error_responses(CHAT, CONTACT, SUBJECT), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def send_chat_message(
    request: Request,
    caller: WidgetVisitor,
    parsed: Annotated[ParsedBody[ChatRequest], Depends(BodyParser(ChatRequest))],
) -> Response:
    """Store the visitor's message and return the reply.

    While an agent has taken the conversation over, nobody replies here: `content` is null.
    """
    body, context = parsed.body, context_of(request)
    content = _newest_message(body)
    await require_fitting_tables(context, caller)
    if body.lead_info is not None:
        info = body.lead_info
        await limit_contacts(request, caller, body.session_id, info.email, info.phone)
    command = command_from_header(request, caller, parsed.raw, context.clock.now())
    command = command or await command_from_transcript(context.pool, caller, body, parsed.raw)
    message_id = body.message_id or (_derive_message_id(command) if command else uuid7())
    details, unread = await _lead_details(context, caller, body.lead_info)
    message = VisitorMessage(
        message_id, content, body.session_id, body.conversation_id, caller.visitor_hash,
        _header(request, "user-agent"), _header(request, "referer"),
        details, caller.verified_session_id, unread,
    )  # fmt: skip
    tenant = (caller.org_id, caller.property_id)
    result = await take_turn(
        context.pool,
        context.responder,
        tenant,
        message,
        command,
        context.clock,
        context.streams,
        await context.load_property(caller.property_id),
    )
    session_token = None
    if (session_id := result.own_session_id or caller.verified_session_id) is not None:
        session_token = await _issue_token(context, caller, session_id)
    response = {**result.response, "sessionToken": session_token}
    return json_response(response, 200, await seal_token(context, result.token))


@router.get(
    "/chat", summary="List the new messages of a session", response_model=SessionMessagesResponse,
    responses=error_responses(MESSAGE_CURSOR, NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_chat_messages(
    request: Request,
    caller: WidgetVisitor,
    session: Annotated[UUID, Query(alias="sessionId", examples=[example.SESSION])],
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Return the messages after `after`, which is the id of a message or an instant.

    `after` of the response is the value for the next request. `sessionToken` is valid longer than
    the token of the request.
    """
    context = context_of(request)
    batch = await read_messages(context, caller, session, None, after)
    token = await _issue_token(context, caller, batch.session_id)
    last = batch.messages[-1]["id"] if batch.messages else after
    return json_response({
        "messages": batch.messages, "after": last, "sessionToken": token, **batch.state,
    })  # fmt: skip


async def _issue_token(context: ApiContext, caller: Visitor, session_id: UUID) -> str:
    claims = SessionClaims(caller.property_id, session_id, caller.visitor_hash)
    return await issue_session_token(context, claims)


def _derive_message_id(command: CommandId) -> UUID:
    """Return the id of the command's message.

    The digest is part of it: when the command's lifetime is over, its key may be used again for
    another message, which needs another id.
    """
    return uuid5(command.id, f"message/{command.digest.hex()}")


def _newest_message(body: ChatRequest) -> str:
    """Return the visitor's newest message. Raise 400 if it is missing or empty."""
    text: Any = body.message
    if text is None:
        lines = [line for line in body.messages or () if line.role == "user"]
        text = lines[-1].content if lines else None
    if not isinstance(text, str) or not text.strip():
        raise Problem(
            400, "empty_message",
            "the last message of the user is missing or empty: send message, or messages with it",
        )  # fmt: skip
    try:
        return _CONTENT.validate_python(text)
    except ValidationError as error:
        errors = error.errors(include_input=False, include_context=False)
        raise invalid_request([{**item, "loc": ("message",)} for item in errors]) from None


async def _lead_details(
    context: ApiContext, caller: Visitor, info: LeadInfo | None
) -> tuple[Details | None, str | None]:
    """Return the details that can be read, and the note with the others."""
    if info is None:
        return None, None
    return info.read_details(CHAT_SOURCE, await context.load_property(caller.property_id))


def _header(request: Request, name: str) -> str | None:
    """Return a header in a form that the log can store: shortened, without U+0000."""
    text = request.headers.get(name, "").replace("\x00", "")[:MAX_HEADER_LENGTH]
    return text or None
