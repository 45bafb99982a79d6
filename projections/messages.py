"""`messages`: the messages of conversations with role and author."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Select, Table, Text, Uuid, select

from events.conversations import (
    ConversationAnswered,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.event import ERASED_TEXT
from events.operations import RetentionApplied
from events.record import RecordedEvent
from projections import conversations
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, Row, personal
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "messages",
    METADATA,
    key(),
    refers("conversation_id", "conversations.id", "CASCADE"),
    Column("role", Text, nullable=False),
    personal(Column("content", Text), ERASED_TEXT),
    Column("created_at", INSTANT, server_default=NOW),
    org(),
    Column("property_id", Uuid),
    Column("author", Text),
    Column("human_agent_id", Uuid),
    Column("position", BigInteger),
    Index("idx_messages_conversation", "conversation_id"),
    Index("idx_messages_property", "property_id", "created_at"),
)
"""`position` is that of the event: the order in which messages become visible. `created_at` is
not, because it is taken before the transaction commits."""
projection = Projection(
    "messages",
    version=2,
    table=DerivedTable(
        TABLE, keyed_by=("adopted_message_id",), is_in_place=True, subject="conversation_id"
    ),
)
"""Only adopted messages have a key field: the host may have their rows already."""


@projection.on(ConversationMessageReceived)
def add_received(
    tables: Tables, recorded: RecordedEvent, event: ConversationMessageReceived
) -> None:
    _add(tables, recorded, event, "user", "visitor")


@projection.on(ConversationMessageAdopted)
def adopt_message(
    tables: Tables, recorded: RecordedEvent, event: ConversationMessageAdopted
) -> None:
    """Take over the host's row, or change it: its position stays.

    The row has no author, because the host does not store whether bot or agent replied.
    """
    stored = tables.rows.get(event.message_id)
    if stored is not None and stored["org_id"] is not None:
        tables.rows.update(event.message_id, role=event.role.value, content=event.content)
        return
    row = _row(recorded, event, event.role.value)
    if stored is None:
        tables.rows.insert(event.message_id, row)
    else:
        tables.rows.update(event.message_id, **row)


@projection.on(ConversationReplied)
def add_bot_reply(tables: Tables, recorded: RecordedEvent, event: ConversationReplied) -> None:
    _add(tables, recorded, event, "assistant", "bot")


@projection.on(ConversationAnswered)
def add_agent_reply(tables: Tables, recorded: RecordedEvent, event: ConversationAnswered) -> None:
    _add(tables, recorded, event, "assistant", "agent", event.agent_id)


@projection.on(ConversationTakenOver, ConversationReleased, ConversationWaiting)
def add_notice(
    tables: Tables,
    recorded: RecordedEvent,
    event: ConversationTakenOver | ConversationReleased | ConversationWaiting,
) -> None:
    if event.message_id is not None:
        _add(tables, recorded, event, "system", "system")


@projection.on(RetentionApplied)
def drop_expired_messages(
    tables: Tables, _recorded: RecordedEvent, event: RetentionApplied
) -> None:
    tables.rows.drop(event.message_ids)


def _add(
    tables: Tables,
    recorded: RecordedEvent,
    event: Any,
    role: str,
    author: str,
    agent_id: UUID | None = None,
) -> None:
    row = _row(recorded, event, role)
    tables.rows.add({**row, "author": author, "human_agent_id": agent_id})


def _row(recorded: RecordedEvent, event: Any, role: str) -> Row:
    return {
        "id": event.message_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "conversation_id": event.conversation_id,
        "role": role,
        "content": event.content,
        "created_at": recorded.occurred_at,
        "author": None,
        "human_agent_id": None,
        "position": recorded.position,
    }


def of_session(
    property_id: UUID, session_id: UUID, after: "datetime | int | None", limit: int
) -> "Select[Any]":
    """Select the messages of a widget session after an instant or a position."""
    query = _in_session(property_id, session_id)
    if isinstance(after, datetime):
        query = query.where(TABLE.c.created_at > after)
    elif after is not None:
        query = query.where(TABLE.c.position > after)
    return query.order_by(TABLE.c.position).limit(limit)


def last_author(conversation_id: UUID) -> "Select[Any]":
    """Select the author of the last message of a conversation that is no notice of the system."""
    conditions = (TABLE.c.conversation_id == conversation_id, TABLE.c.role != "system")
    return select(TABLE.c.author).where(*conditions).order_by(TABLE.c.position.desc()).limit(1)


def by_ids(property_id: UUID, session_id: UUID, message_ids: Sequence[UUID]) -> "Select[Any]":
    """Select messages of a widget session."""
    return _in_session(property_id, session_id).where(TABLE.c.id.in_(message_ids))


def _in_session(property_id: UUID, session_id: UUID) -> "Select[Any]":
    conversation = conversations.TABLE
    return (
        select(TABLE)
        .join(conversation, conversation.c.id == TABLE.c.conversation_id)
        .where(conversation.c.widget_session_id == session_id, TABLE.c.property_id == property_id)
    )


def newest(
    property_id: UUID, conversation_id: UUID, before: UUID | None, limit: int
) -> "Select[Any]":
    """Select the newest messages of a conversation, or the newest before one of its messages."""
    conditions = (TABLE.c.property_id == property_id, TABLE.c.conversation_id == conversation_id)
    query = select(TABLE).where(*conditions).order_by(TABLE.c.position.desc()).limit(limit)
    if before is None:
        return query
    end = select(TABLE.c.position).where(*conditions, TABLE.c.id == before).scalar_subquery()
    return query.where(TABLE.c.position < end)
