"""`conversations`: exchanges with a visitor or lead, and who answers in them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, Integer, Select, Table, Text, Uuid, select, text

from events.chat import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationStarted,
    ConversationTakenOver,
    ConversationWaiting,
    SessionIdentified,
)
from events.record import Recorded
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.projection import METADATA, DerivedTable, Projection, Row, Rows, Tables

TABLE = Table(
    "conversations",
    METADATA,
    key(),
    refers("lead_id", "leads.id", "CASCADE"),
    refers("property_id", "properties.id", "CASCADE"),
    Column("channel", Text, server_default="widget"),
    Column("created_at", INSTANT, server_default=NOW),
    Column("is_human_mode", Boolean, server_default=text("false")),
    refers("widget_session_id", "widget_sessions.id"),
    org(),
    Column("human_agent_id", Uuid),
    Column("human_started_at", INSTANT),
    Column("human_ended_at", INSTANT),
    Column("takeover_epoch", Integer, server_default=text("0")),
    Column("waiting_for_human", Boolean, server_default=text("false")),
    Column("message_count", Integer, server_default=text("0")),
    Index("idx_conversations_lead", "lead_id"),
    Index("idx_conversations_property", "property_id"),
)
projection = Projection(
    "conversations",
    version=2,
    table=DerivedTable(TABLE, keyed_by=("conversation_id", "conversation_ids"), kept=True),
)


@projection.on(ConversationStarted)
def started(tables: Tables, fact: Recorded, event: ConversationStarted) -> None:
    """The first start counts: a conversation is observed, and may be reported twice."""
    if tables.rows.get(event.conversation_id) is not None:
        return
    tables.rows.insert(
        event.conversation_id,
        {
            "id": event.conversation_id,
            "org_id": fact.org_id,
            "property_id": fact.property_id,
            "lead_id": event.lead_id,
            "widget_session_id": event.session_id,
            "channel": event.channel.value,
            "created_at": fact.occurred_at,
            "is_human_mode": False,
            "takeover_epoch": 0,
            "waiting_for_human": False,
            "message_count": 0,
        },
    )


@projection.on(ConversationAdopted)
def adopted(tables: Tables, fact: Recorded, event: ConversationAdopted) -> None:
    """The host's row may be there already: it is taken over, and afterwards follows the host."""
    held = tables.rows.get(event.conversation_id)
    if held is None or held["org_id"] is None:
        row: Row = {
            "id": event.conversation_id,
            "org_id": fact.org_id,
            "property_id": fact.property_id,
            "lead_id": event.lead_id,
            "widget_session_id": event.session_id,
            "channel": event.channel.value,
            "created_at": fact.occurred_at,
            "is_human_mode": event.is_human_mode,
            "human_agent_id": event.human_agent_id,
            "human_started_at": event.human_started_at,
            "human_ended_at": event.human_ended_at,
            "takeover_epoch": int(event.is_human_mode),
            "waiting_for_human": False,
            "message_count": 0,
        }
        if held is None:
            tables.rows.insert(event.conversation_id, row)
        else:
            tables.rows.update(event.conversation_id, **row)
        return
    row = tables.rows.change(event.conversation_id)
    row["takeover_epoch"] += "is_human_mode" in event.changes
    row.update({**event.changes, "channel": event.channel.value})


@projection.on(ConversationMessageAdopted)
def message_adopted(tables: Tables, _fact: Recorded, event: ConversationMessageAdopted) -> None:
    if not event.edited:
        _count(tables.rows, event.conversation_id)


@projection.on(ConversationMessageReceived, ConversationReplied)
def spoken(
    tables: Tables, _fact: Recorded, event: ConversationMessageReceived | ConversationReplied
) -> None:
    _count(tables.rows, event.conversation_id)


@projection.on(ConversationAnswered)
def answered(tables: Tables, _fact: Recorded, event: ConversationAnswered) -> None:
    _count(tables.rows, event.conversation_id)
    tables.rows.update(event.conversation_id, waiting_for_human=False)


@projection.on(ConversationTakenOver)
def taken_over(tables: Tables, fact: Recorded, event: ConversationTakenOver) -> None:
    tables.rows.update(
        event.conversation_id,
        is_human_mode=True,
        human_agent_id=event.agent_id,
        human_started_at=fact.occurred_at,
        human_ended_at=None,
        takeover_epoch=event.epoch,
        waiting_for_human=False,
    )
    if event.message_id:
        _count(tables.rows, event.conversation_id)


@projection.on(ConversationReleased)
def released(tables: Tables, fact: Recorded, event: ConversationReleased) -> None:
    tables.rows.update(
        event.conversation_id,
        is_human_mode=False,
        human_ended_at=fact.occurred_at,
        takeover_epoch=event.epoch,
    )
    if event.message_id:
        _count(tables.rows, event.conversation_id)


@projection.on(ConversationWaiting)
def waiting(tables: Tables, _fact: Recorded, event: ConversationWaiting) -> None:
    tables.rows.update(event.conversation_id, waiting_for_human=True)
    if event.message_id:
        _count(tables.rows, event.conversation_id)


@projection.on(SessionIdentified)
def identified(tables: Tables, _fact: Recorded, event: SessionIdentified) -> None:
    for conversation_id in event.conversation_ids:
        if tables.rows.get(conversation_id) is not None:
            tables.rows.update(conversation_id, lead_id=event.lead_id)


def _count(rows: Rows, conversation_id: UUID) -> None:
    rows.change(conversation_id)["message_count"] += 1


def of_session(property_id: UUID, session_id: UUID) -> "Select[Any]":
    """The conversations held in a widget session, newest first."""
    mine = (TABLE.c.property_id == property_id, TABLE.c.widget_session_id == session_id)
    return select(TABLE).where(*mine).order_by(TABLE.c.created_at.desc(), TABLE.c.id)
