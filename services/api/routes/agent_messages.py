"""Route with which an agent writes to a visitor."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.conversations import ConversationAnswered
from events.record import RecordedEvent, Stream
from services.api.auth.console_authentication import ConsoleWriter
from services.api.context import context_of
from services.api.error_codes import AGENT_MESSAGE, CONVERSATION, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.problems import Problem
from services.api.property_lookup import property_of_stream
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.agent_messages import AgentMessageRequest, AgentMessageResponse
from services.api.schemas.conversations import ConversationId
from services.application.client_ids import MESSAGE, resolve_client_ids
from services.application.conversations import post_agent_answer
from services.application.unit_of_work import UnitOfWork
from services.deciders.conversations import PostAgentAnswer
from services.deciders.decider import Refused

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


@router.post(
    "/{conversation_id}/messages", status_code=201, summary="Send a message to the visitor",
    response_model=AgentMessageResponse, responses=error_responses(CONVERSATION, AGENT_MESSAGE),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def send_agent_message(
    request: Request,
    caller: ConsoleWriter,
    conversation_id: ConversationId,
    parsed: Annotated[ParsedBody[AgentMessageRequest], Depends(BodyParser(AgentMessageRequest))],
) -> Response:
    """Store a message of the agent who has taken the conversation over.

    In a conversation by SMS or e-mail it is also sent. If that is impossible, for example because
    the lead has opted out, the response says why and nothing is stored.
    """
    body = parsed.body
    if not body.content.strip():
        raise Problem(400, "empty_message", "content is blank: write the text of the message")
    stream = Stream("conversation", conversation_id)
    property_id = await property_of_stream(context_of(request), caller, stream, "conversation")
    client_id = body.message_id or uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        [message_id] = await resolve_client_ids(uow, [Stream(MESSAGE, client_id)])
        command = PostAgentAnswer(conversation_id, message_id, body.content, caller.id)
        await post_agent_answer(uow, command)
        # Read from the history, not from the command: a repetition gets the stored message.
        for recorded in await uow.history(stream):
            if _is_answer(recorded, message_id):
                message = {**_build_message(recorded), "id": client_id}
                return {"success": True, "message": message}
        raise Refused(
            "id_reused", f"message {client_id} is not an agent's message: use a new messageId", 422
        )

    return await execute_write(request, caller, property_id, parsed.raw, work, 201)


def _is_answer(recorded: RecordedEvent, message_id: UUID) -> bool:
    return (
        isinstance(recorded.event, ConversationAnswered) and recorded.event.message_id == message_id
    )


def _build_message(recorded: RecordedEvent) -> dict[str, Any]:
    """Return the row that the projector makes of an agent's message."""
    event: Any = recorded.event
    return {
        "conversation_id": event.conversation_id, "role": "assistant",
        "content": event.content, "author": "agent", "human_agent_id": event.agent_id,
        "created_at": recorded.occurred_at,
    }  # fmt: skip
