"""Routes that read conversations in the console."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from events.record import Stream
from projections import conversation_list, host, leads, messages
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import ApiContext, context_of
from services.api.conversation_summaries import (
    lead_of_conversation,
    summarize_conversation,
    waiting_since,
)
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.problems import not_found
from services.api.property_lookup import property_of_stream, require_property
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.conversations import (
    ConversationId,
    ConversationListResponse,
    ConversationResponse,
    ConversationRow,
    MessageRow,
)

PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
MAX_MESSAGES = 500
CONVERSATION_COLUMNS = tuple(ConversationRow.model_fields)
MESSAGE_COLUMNS = tuple(MessageRow.model_fields)

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


@router.get(
    "", summary="List the newest conversations, or get one with its messages",
    response_model=ConversationListResponse | ConversationResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_conversations(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    conversation_id: Annotated[UUID | None, Query(alias="conversationId")] = None,
    lead_id: Annotated[UUID | None, Query(alias="leadId")] = None,
    waiting: Annotated[bool, Query(description="True: only those that wait for a person.")] = False,
    before: Annotated[UUID | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE,
) -> Response:
    """Return the newest conversations, 20 without `limit`; with `leadId` only those of a lead.

    With `before`, return those that began before the conversation `before`; with `waiting`, all
    that wait for a person, up to `limit`. With `conversationId`, return one conversation with its
    newest 500 messages, or with the 500 messages before the message `before`.
    """
    context = context_of(request)
    await require_property(context, caller, property_id)
    if conversation_id is not None:
        detail = await _load_detail(context, caller, property_id, conversation_id, before)
        return json_response({"conversation": detail})
    lead_ids: list[UUID] = []
    async with read_as(context.pool, caller.claims) as conn:
        if lead_id is not None:
            lead = await conn.first(leads.person(caller.org_id, lead_id))
            lead_ids = lead.members if lead else [lead_id]
        if waiting:
            query = conversation_list.waiting(property_id, limit)
        else:
            query = conversation_list.newest(property_id, limit, lead_ids=lead_ids, before=before)
        rows = await conn.all(query)
    return json_response({"conversations": [summarize_conversation(row) for row in rows]})


@router.get(
    "/{conversation_id}", summary="Get a conversation with its messages",
    response_model=ConversationResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_conversation(
    request: Request,
    caller: ConsoleReader,
    conversation_id: ConversationId,
    before: Annotated[UUID | None, Query()] = None,
) -> Response:
    """Return its newest 500 messages, or the 500 messages before the message `before`."""
    context = context_of(request)
    stream = Stream("conversation", conversation_id)
    property_id = await property_of_stream(context, caller, stream, "conversation")
    detail = await _load_detail(context, caller, property_id, conversation_id, before)
    return json_response({"conversation": detail})


async def _load_detail(
    context: ApiContext,
    caller: ConsoleUser,
    property_id: UUID,
    conversation_id: UUID,
    before: UUID | None,
) -> dict[str, Any]:
    async with read_as(context.pool, caller.claims) as conn:
        query = conversation_list.by_id(property_id, conversation_id)
        row = await conn.first(query)
        if row is None:
            raise not_found("conversation")
        query = messages.newest(property_id, conversation_id, before, MAX_MESSAGES)
        message_rows = await conn.all(query)
        agent_ids = {message.human_agent_id for message in message_rows} - {None}
        names = {}
        if agent_ids:
            profiles = await conn.all(host.names_of_profiles(list(agent_ids)))
            names = {profile.id: profile.full_name for profile in profiles}
    return {
        **{name: row[name] for name in CONVERSATION_COLUMNS},
        "human_agent_name": row.human_agent_name,
        "waiting_since": waiting_since(row),
        "lead": lead_of_conversation(row),
        "messages": [
            {
                **{name: message[name] for name in MESSAGE_COLUMNS},
                "agent_name": names.get(message.human_agent_id),
            }
            for message in reversed(message_rows)
        ],
    }
