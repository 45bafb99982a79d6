"""`messages`: what was said in conversations, by whom."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Select, Table, Text, Uuid, select

from events.chat import (
    ConversationAnswered,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.operations import RetentionApplied
from events.record import RecordedEvent
from projections import conversations
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.projection import METADATA, DerivedTable, Projection, Row, Tables

TABLE = Table(
    "messages",
    METADATA,
    key(),
    refers("conversation_id", "conversations.id", "CASCADE"),
    Column("role", Text, nullable=False),
    Column("content", Text),
    Column("created_at", INSTANT, server_default=NOW),
    org(),
    Column("property_id", Uuid),
    Column("author", Text),
    Column("human_agent_id", Uuid),
    Column("position", BigInteger),
    Index("idx_messages_conversation", "conversation_id"),
    Index("idx_messages_property", "property_id", "created_at"),
)
"""`position` is the fact's: the order in which messages become visible, which their instants are
not, for an instant is taken before its transaction commits."""
projection = Projection(
    "messages", version=2, table=DerivedTable(TABLE, keyed_by=("adopted_message_id",), kept=True)
)
"""Rows are keyed only where the host may have them already."""


@projection.on(ConversationMessageReceived)
def received(tables: Tables, recorded: RecordedEvent, event: ConversationMessageReceived) -> None:
    _say(
        tables, recorded, event.message_id, event.conversation_id, "user", event.content, "visitor"
    )


@projection.on(ConversationMessageAdopted)
def adopted(tables: Tables, recorded: RecordedEvent, event: ConversationMessageAdopted) -> None:
    """The host's row may be there already, and keeps its place when the host changes it. It has no
    author: whether bot or agent answered, the host has not kept."""
    said = {"role": event.role.value, "content": event.content}
    held = tables.rows.get(event.message_id)
    if held is not None and held["org_id"] is not None:
        tables.rows.update(event.message_id, **said)
        return
    row = _row(recorded, event.message_id, event.conversation_id, event.role.value, event.content)
    if held is None:
        tables.rows.insert(event.message_id, row | said)
    else:
        tables.rows.update(event.message_id, **row | said)


@projection.on(ConversationReplied)
def replied(tables: Tables, recorded: RecordedEvent, event: ConversationReplied) -> None:
    _say(
        tables, recorded, event.message_id, event.conversation_id, "assistant", event.content, "bot"
    )


@projection.on(ConversationAnswered)
def answered(tables: Tables, recorded: RecordedEvent, event: ConversationAnswered) -> None:
    _say(
        tables, recorded, event.message_id, event.conversation_id, "assistant", event.content,
        "agent", event.agent_id,
    )  # fmt: skip


@projection.on(ConversationTakenOver, ConversationReleased, ConversationWaiting)
def told(
    tables: Tables,
    recorded: RecordedEvent,
    event: ConversationTakenOver | ConversationReleased | ConversationWaiting,
) -> None:
    if event.message_id is not None:
        _say(
            tables,
            recorded,
            event.message_id,
            event.conversation_id,
            "system",
            event.content,
            "system",
        )


@projection.on(RetentionApplied)
def expired(tables: Tables, _recorded: RecordedEvent, event: RetentionApplied) -> None:
    tables.rows.drop(event.message_ids)


def _say(
    tables: Tables,
    recorded: RecordedEvent,
    message_id: UUID,
    conversation_id: UUID,
    role: str,
    content: str | None,
    author: str | None,
    agent_id: UUID | None = None,
) -> None:
    row = _row(recorded, message_id, conversation_id, role, content)
    tables.rows.add({**row, "author": author, "human_agent_id": agent_id})


def _row(
    recorded: RecordedEvent, message_id: UUID, conversation_id: UUID, role: str, content: str | None
) -> Row:
    return {
        "id": message_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "conversation_id": conversation_id,
        "role": role,
        "content": content,
        "created_at": recorded.occurred_at,
        "author": None,
        "human_agent_id": None,
        "position": recorded.position,
    }


def of_session(
    property_id: UUID, session_id: UUID, after: "datetime | int | None", limit: int
) -> "Select[Any]":
    """What was said in a widget session's conversations after an instant or a position."""
    query = _in_session(property_id, session_id)
    if isinstance(after, datetime):
        query = query.where(TABLE.c.created_at > after)
    elif after is not None:
        query = query.where(TABLE.c.position > after)
    return query.order_by(TABLE.c.position).limit(limit)


def one(property_id: UUID, session_id: UUID, message_id: UUID) -> "Select[Any]":
    """A message of a widget session."""
    return _in_session(property_id, session_id).where(TABLE.c.id == message_id)


def _in_session(property_id: UUID, session_id: UUID) -> "Select[Any]":
    held = conversations.TABLE
    return (
        select(TABLE)
        .join(held, held.c.id == TABLE.c.conversation_id)
        .where(held.c.widget_session_id == session_id, TABLE.c.property_id == property_id)
    )


def newest(
    property_id: UUID, conversation_id: UUID, before: UUID | None, limit: int
) -> "Select[Any]":
    """The newest messages of a conversation, or those before one of its messages; newest first."""
    mine = (TABLE.c.property_id == property_id, TABLE.c.conversation_id == conversation_id)
    query = select(TABLE).where(*mine).order_by(TABLE.c.position.desc()).limit(limit)
    if before is None:
        return query
    end = select(TABLE.c.position).where(*mine, TABLE.c.id == before).scalar_subquery()
    return query.where(TABLE.c.position < end)
