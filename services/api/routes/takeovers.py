"""Routes with which an agent takes a conversation over from the bot and gives it back."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.record import Stream
from events.sessions import SessionIdentified
from projections import conversations
from services.api.auth.console_authentication import ConsoleWriter
from services.api.auth.console_users import ADMIN, ConsoleUser
from services.api.context import context_of
from services.api.error_codes import CONVERSATION, RELEASE, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import property_of_stream
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.conversations import ConversationId, ConversationRow
from services.api.schemas.takeovers import TakeoverResponse
from services.application.rows import build_row
from services.application.unit_of_work import UnitOfWork
from services.deciders.conversations import ReleaseConversation, TakeOverConversation

AGENT_JOINED = "Somebody of our team has joined the chat and will answer you here."
AGENT_LEFT = "Our team has left the chat. Write here whenever you like."
COLUMNS = tuple(ConversationRow.model_fields)

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


@router.post(
    "/{conversation_id}/takeover", summary="Take a conversation over from the bot",
    response_model=TakeoverResponse, responses=error_responses(CONVERSATION),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def take_over_conversation(
    request: Request, caller: ConsoleWriter, conversation_id: ConversationId
) -> Response:
    command = TakeOverConversation(conversation_id, caller.id, uuid7(), AGENT_JOINED)
    return await _execute(request, caller, command, AGENT_JOINED)


@router.delete(
    "/{conversation_id}/takeover", summary="Give a conversation back to the bot",
    response_model=TakeoverResponse, responses=error_responses(RELEASE),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def release_conversation(
    request: Request, caller: ConsoleWriter, conversation_id: ConversationId
) -> Response:
    """Give the conversation back. Only the agent in charge and admins may do so."""
    only_own = caller.role != ADMIN
    command = ReleaseConversation(
        conversation_id, caller.id, uuid7(), AGENT_LEFT, only_own=only_own
    )
    return await _execute(request, caller, command, AGENT_LEFT)


async def _execute(
    request: Request,
    caller: ConsoleUser,
    command: TakeOverConversation | ReleaseConversation,
    system_message: str,
) -> Response:
    conversation_id = command.conversation_id
    stream = Stream("conversation", conversation_id)
    property_id = await property_of_stream(context_of(request), caller, stream, "conversation")

    async def work(uow: UnitOfWork) -> ResponseBody:
        await uow.execute(command)
        row = await _build_conversation_row(uow, conversation_id)
        return {"success": True, "conversation": row, "message": system_message}

    return await execute_write(request, caller, property_id, b"", work)


async def _build_conversation_row(uow: UnitOfWork, conversation_id: UUID) -> dict[str, Any]:
    """Return the conversation's row after the decisions of the unit of work.

    The projector copies the lead from the session's events, so this does the same.
    """
    recorded_events = await uow.history(Stream("conversation", conversation_id))
    row = build_row(conversations.projection, conversation_id, recorded_events) or {}
    if (session_id := row.get("widget_session_id")) is not None:
        for recorded in await uow.history(Stream("session", session_id)):
            event = recorded.event
            if isinstance(event, SessionIdentified) and conversation_id in event.conversation_ids:
                row["lead_id"] = event.lead_id
    return {name: row.get(name) for name in COLUMNS}
