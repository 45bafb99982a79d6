"""`messages`: what was said in conversations, by whom."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Select, Table, Text, Uuid, select, tuple_

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
from events.record import Recorded
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
    Index("idx_messages_conversation", "conversation_id"),
)
projection = Projection(
    "messages", version=2, table=DerivedTable(TABLE, keyed_by=("adopted_message_id",), kept=True)
)
"""Rows are keyed only where the host may have them already."""


@projection.on(ConversationMessageReceived)
def received(tables: Tables, fact: Recorded, event: ConversationMessageReceived) -> None:
    _say(tables, fact, event.message_id, event.conversation_id, "user", event.content, "visitor")


@projection.on(ConversationMessageAdopted)
def adopted(tables: Tables, fact: Recorded, event: ConversationMessageAdopted) -> None:
    """The host's row may be there already. Who spoke is the host's to know: there is no author."""
    held = tables.rows.get(event.message_id)
    if held is not None and held["org_id"] is not None:
        tables.rows.update(event.message_id, role=event.role.value, content=event.content)
        return
    row = _row(fact, event.message_id, event.conversation_id, event.role.value, event.content)
    if held is None:
        tables.rows.insert(event.message_id, row)
    else:
        tables.rows.update(event.message_id, **row)


@projection.on(ConversationReplied)
def replied(tables: Tables, fact: Recorded, event: ConversationReplied) -> None:
    _say(tables, fact, event.message_id, event.conversation_id, "assistant", event.content, "bot")


@projection.on(ConversationAnswered)
def answered(tables: Tables, fact: Recorded, event: ConversationAnswered) -> None:
    _say(
        tables, fact, event.message_id, event.conversation_id, "assistant", event.content,
        "agent", event.agent_id,
    )  # fmt: skip


@projection.on(ConversationTakenOver, ConversationReleased, ConversationWaiting)
def told(
    tables: Tables,
    fact: Recorded,
    event: ConversationTakenOver | ConversationReleased | ConversationWaiting,
) -> None:
    if event.message_id is not None:
        _say(
            tables, fact, event.message_id, event.conversation_id, "system", event.content, "system"
        )


@projection.on(RetentionApplied)
def expired(tables: Tables, _fact: Recorded, event: RetentionApplied) -> None:
    tables.rows.drop(event.message_ids)


def _say(
    tables: Tables,
    fact: Recorded,
    message_id: UUID,
    conversation_id: UUID,
    role: str,
    content: str | None,
    author: str,
    agent_id: UUID | None = None,
) -> None:
    row = _row(fact, message_id, conversation_id, role, content)
    tables.rows.add({**row, "author": author, "human_agent_id": agent_id})


def _row(
    fact: Recorded, message_id: UUID, conversation_id: UUID, role: str, content: str | None
) -> Row:
    return {
        "id": message_id,
        "org_id": fact.org_id,
        "property_id": fact.property_id,
        "conversation_id": conversation_id,
        "role": role,
        "content": content,
        "created_at": fact.occurred_at,
        "author": None,
        "human_agent_id": None,
    }


def of_session(
    property_id: UUID, session_id: UUID, after: "tuple[datetime, UUID] | None", limit: int
) -> "Select[Any]":
    """What was said in a widget session's conversations, oldest first, after an (instant, id)."""
    held = conversations.TABLE
    query = (
        select(TABLE)
        .join(held, held.c.id == TABLE.c.conversation_id)
        .where(held.c.widget_session_id == session_id, TABLE.c.property_id == property_id)
    )
    if after is not None:
        query = query.where(tuple_(TABLE.c.created_at, TABLE.c.id) > tuple_(*after))
    return query.order_by(TABLE.c.created_at, TABLE.c.id).limit(limit)


def one(property_id: UUID, message_id: UUID) -> "Select[Any]":
    return select(TABLE).where(TABLE.c.property_id == property_id, TABLE.c.id == message_id)
