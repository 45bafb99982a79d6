"""Routes that read conversations in the console."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import conversation_list, leads, messages
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import ApiContext, context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.problems import not_found
from services.api.property_lookup import require_property
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.conversations import (
    ConversationListResponse,
    ConversationResponse,
    ConversationRow,
    MessageRow,
)

MAX_CONVERSATIONS = 20
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
    before: Annotated[UUID | None, Query()] = None,
) -> Response:
    """Return the newest 20 conversations, with `leadId` only those of a lead.

    With `conversationId`, return one conversation with its newest 500 messages, or with the 500
    messages before the message `before`.
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
        query = conversation_list.newest(property_id, MAX_CONVERSATIONS, lead_ids=lead_ids)
        rows = await conn.all(query)
    return json_response({"conversations": [_summarize(row) for row in rows]})


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
    return {
        **{name: row[name] for name in CONVERSATION_COLUMNS},
        "lead": _lead_of(row),
        "messages": [
            {name: message[name] for name in MESSAGE_COLUMNS} for message in reversed(message_rows)
        ],
    }


def _summarize(row: Any) -> dict[str, Any]:
    last_message = None
    if row.last_role is not None:
        last_message = {
            "content": conversation_list.shorten(row.last_content), "role": row.last_role,
            "created_at": row.last_at,
        }  # fmt: skip
    return {
        "id": row.id, "channel": row.channel, "created_at": row.created_at,
        "is_human_mode": row.is_human_mode, "human_agent_id": row.human_agent_id,
        "waiting_for_human": row.waiting_for_human, "lead": _lead_of(row),
        "messageCount": row.message_count, "lastMessage": last_message,
    }  # fmt: skip


def _lead_of(row: Any) -> dict[str, Any] | None:
    """Return the lead of a conversation's row; None while the visitor is unknown."""
    if row["lead_id"] is None:
        return None
    return {name: row[f"lead_{name}"] for name in conversation_list.LEAD_FIELDS}
