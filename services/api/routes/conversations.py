"""Conversations in the console: read, taken over from the bot, answered, and given back."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.chat import ConversationAnswered, SessionIdentified
from events.record import RecordedEvent, Stream
from projections import conversation_list, conversations, leads, messages
from services.api.auth.callers import Person, Reader, Writer, no_such
from services.api.context import Core, core_of
from services.api.error_codes import ANSWERING, NOT_FOUND, OF_CONVERSATION, RELEASING, refuses
from services.api.problems import Problem
from services.api.property_lookup import property_of
from services.api.request_body import Taken, Takes
from services.api.responses import Answer as Result
from services.api.responses import Once, Reached, answered, written
from services.api.schemas import example
from services.api.schemas.conversations import (
    AgentAnswered,
    AnswerSent,
    ConversationId,
    ConversationRow,
    Conversations,
    HandedOver,
    MessageRow,
    OneConversation,
)
from services.application.rows import row_of
from services.application.unit_of_work import UnitOfWork
from services.deciders.conversations import Answer, Release, TakeOver
from services.deciders.decider import Refused

NEWEST = 20
MOST_MESSAGES = 500
JOINED = "Somebody of our team has joined the chat and will answer you here."
LEFT = "Our team has left the chat. Write here whenever you like."
ROW = tuple(ConversationRow.model_fields)
MESSAGE = tuple(MessageRow.model_fields)

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


@router.get(
    "", summary="The newest conversations, or one with what was said",
    response_model=Conversations | OneConversation, responses=refuses(NOT_FOUND),
    dependencies=[Reached],
)  # fmt: skip
async def read(
    request: Request,
    caller: Reader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    conversation_id: Annotated[UUID | None, Query(alias="conversationId")] = None,
    lead_id: Annotated[UUID | None, Query(alias="leadId")] = None,
    before: Annotated[UUID | None, Query()] = None,
) -> Response:
    """One with `conversationId`, else the newest 20, of a lead with `leadId`. Of a long
    conversation the newest 500 messages are shown, or those before the message `before`."""
    core = core_of(request)
    await caller.demand_property(core, property_id)
    if conversation_id is not None:
        shown = await _whole(core, caller, property_id, conversation_id, before)
        return answered({"conversation": shown})
    lead_ids: list[UUID] = []
    async with caller.transaction(core.engine) as conn:
        if lead_id is not None:
            person = (await conn.execute(leads.person(caller.org_id, lead_id))).first()
            lead_ids = person.members if person else [lead_id]
        rows = (
            await conn.execute(conversation_list.newest(property_id, NEWEST, lead_ids=lead_ids))
        ).all()
    return answered({"conversations": [_line(row) for row in rows]})


@router.post(
    "/{conversation_id}/takeover", summary="Take a conversation over from the bot",
    response_model=HandedOver, responses=refuses(OF_CONVERSATION), dependencies=[Once],
)  # fmt: skip
async def take_over(request: Request, caller: Writer, conversation_id: ConversationId) -> Response:
    command = TakeOver(conversation_id, caller.id, uuid7(), JOINED)
    return await _hand_over(request, caller, command, JOINED)


@router.delete(
    "/{conversation_id}/takeover", summary="Give a conversation back to the bot",
    response_model=HandedOver, responses=refuses(RELEASING), dependencies=[Once],
)  # fmt: skip
async def give_back(request: Request, caller: Writer, conversation_id: ConversationId) -> Response:
    """For the agent in charge, or an admin."""
    own = caller.role != "admin"
    command = Release(conversation_id, caller.id, uuid7(), LEFT, only_own=own)
    return await _hand_over(request, caller, command, LEFT)


@router.post(
    "/{conversation_id}/messages", status_code=201, summary="Answer the visitor",
    response_model=AgentAnswered, responses=refuses(OF_CONVERSATION, ANSWERING),
    dependencies=[Once],
)  # fmt: skip
async def answer(
    request: Request,
    caller: Writer,
    conversation_id: ConversationId,
    sent: Annotated[Taken[AnswerSent], Depends(Takes(AnswerSent))],
) -> Response:
    """For the agent who has taken the conversation over."""
    body = sent.said
    if not body.content.strip():
        raise Problem(400, "empty_message", "an answer has a text")
    property_id = await _home(core_of(request), caller, conversation_id)
    message_id = body.message_id or uuid7()

    async def work(uow: UnitOfWork) -> Result:
        await uow.do(Answer(conversation_id, message_id, body.content, caller.id))
        for recorded in await uow.history(Stream("conversation", conversation_id)):
            if _says(recorded, message_id):
                return {"success": True, "message": _message(recorded)}
        raise Refused("id_reused", f"message {message_id} was said by another before", 422)

    return await written(request, caller, caller.scope(property_id), sent.raw, work, 201)


async def _hand_over(
    request: Request, caller: Person, command: TakeOver | Release, told: str
) -> Response:
    core, conversation_id = core_of(request), command.conversation_id
    property_id = await _home(core, caller, conversation_id)

    async def work(uow: UnitOfWork) -> Result:
        await uow.do(command)
        row = await _row(uow, conversation_id)
        return {"success": True, "conversation": row, "message": told}

    return await written(request, caller, caller.scope(property_id), b"", work)


async def _home(core: Core, caller: Person, conversation_id: UUID) -> UUID:
    return await property_of(core, caller, Stream("conversation", conversation_id), "conversation")


async def _row(uow: UnitOfWork, conversation_id: UUID) -> dict[str, Any]:
    """The conversation as it is after what the unit has decided; its session knows its lead."""
    recorded_events = await uow.history(Stream("conversation", conversation_id))
    row = row_of(conversations.projection, conversation_id, recorded_events) or {}
    if (session_id := row.get("widget_session_id")) is not None:
        for recorded in await uow.history(Stream("session", session_id)):
            known = recorded.event
            if isinstance(known, SessionIdentified) and conversation_id in known.conversation_ids:
                row["lead_id"] = known.lead_id
    return {name: row.get(name) for name in ROW}


async def _whole(
    core: Core, caller: Person, property_id: UUID, conversation_id: UUID, before: UUID | None
) -> dict[str, Any]:
    query = messages.newest(property_id, conversation_id, before, MOST_MESSAGES)
    async with caller.transaction(core.engine) as conn:
        row = (
            (await conn.execute(conversation_list.one(property_id, conversation_id)))
            .mappings()
            .first()
        )
        if row is None:
            raise no_such("conversation")
        said = (await conn.execute(query)).mappings().all()
    return {
        **{name: row[name] for name in ROW},
        "lead": lead_of(row),
        "messages": [{name: one[name] for name in MESSAGE} for one in reversed(said)],
    }


def _line(row: Any) -> dict[str, Any]:
    last = None
    if row.last_role is not None:
        last = {
            "content": conversation_list.preview(row.last_content), "role": row.last_role,
            "created_at": row.last_at,
        }  # fmt: skip
    return {
        "id": row.id, "channel": row.channel, "created_at": row.created_at,
        "is_human_mode": row.is_human_mode, "human_agent_id": row.human_agent_id,
        "waiting_for_human": row.waiting_for_human, "lead": lead_of(row._mapping),
        "messageCount": row.message_count, "lastMessage": last,
    }  # fmt: skip


def lead_of(row: Any) -> dict[str, Any] | None:
    """The lead in a row of the inbox; none while nobody knows who it is."""
    if row["lead_id"] is None:
        return None
    return {name: row[f"lead_{name}"] for name in conversation_list.LEAD_FIELDS}


def _says(recorded: RecordedEvent, message_id: UUID) -> bool:
    return (
        isinstance(recorded.event, ConversationAnswered) and recorded.event.message_id == message_id
    )


def _message(recorded: RecordedEvent) -> dict[str, Any]:
    """The row an agent's answer becomes."""
    said: Any = recorded.event
    return {
        "id": said.message_id, "conversation_id": said.conversation_id, "role": "assistant",
        "content": said.content, "author": "agent", "human_agent_id": said.agent_id,
        "created_at": recorded.occurred_at,
    }  # fmt: skip
