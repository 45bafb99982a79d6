"""`conversations`: the conversations with visitors and leads, and whether an agent replies."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, Integer, Select, Table, Text, Uuid, select, text

from events.conversations import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationStarted,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.operations import RetentionApplied
from events.record import RecordedEvent
from events.sessions import SessionIdentified
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, Row
from projections.engine.projection import Projection, Tables
from projections.engine.table_rows import TableRows

IN_PERSON = text("(waiting_for_human OR is_human_mode)")
"""The conversations that an agent leads, or should: few of all. An index has this condition."""
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
    Index("idx_conversations_newest", "property_id", "created_at", postgresql_include=["channel"]),
    Index("idx_conversations_session", "widget_session_id"),
    Index("idx_conversations_in_person", "property_id", "created_at",
          postgresql_where=IN_PERSON),
)  # fmt: skip
projection = Projection(
    "conversations",
    version=2,
    table=DerivedTable(TABLE, keyed_by=("conversation_id", "conversation_ids"), is_in_place=True),
)


@projection.on(ConversationStarted)
def start_conversation(tables: Tables, recorded: RecordedEvent, event: ConversationStarted) -> None:
    """Insert a conversation. Ignore a second start: a producer may report it twice."""
    if tables.rows.get(event.conversation_id) is not None:
        return
    row = _row(recorded, event, event.channel)
    tables.rows.insert(event.conversation_id, {**row, "widget_session_id": event.session_id})


@projection.on(ConversationAdopted)
def adopt_conversation(tables: Tables, recorded: RecordedEvent, event: ConversationAdopted) -> None:
    """Take over the host's row; afterwards apply the changes of the host."""
    stored = tables.rows.get(event.conversation_id)
    if stored is not None and stored["org_id"] is not None:
        row = tables.rows.change(event.conversation_id)
        row["takeover_epoch"] += "is_human_mode" in event.changes
        row.update({**event.changes, "channel": event.channel.value})
        return
    row = {
        **_row(recorded, event, event.channel),
        "is_human_mode": event.is_human_mode,
        "human_agent_id": event.human_agent_id,
        "human_started_at": event.human_started_at,
        "human_ended_at": event.human_ended_at,
        "takeover_epoch": int(event.is_human_mode),
    }
    if stored is None:
        tables.rows.insert(event.conversation_id, row)
    else:
        tables.rows.update(event.conversation_id, **row)


@projection.on(ConversationMessageAdopted)
def count_adopted_message(
    tables: Tables, recorded: RecordedEvent, event: ConversationMessageAdopted
) -> None:
    if not event.edited:
        _count_message(tables.rows, recorded, event)


@projection.on(ConversationMessageReceived, ConversationReplied)
def count_message(
    tables: Tables,
    recorded: RecordedEvent,
    event: ConversationMessageReceived | ConversationReplied,
) -> None:
    _count_message(tables.rows, recorded, event)


@projection.on(ConversationAnswered)
def apply_agent_reply(tables: Tables, recorded: RecordedEvent, event: ConversationAnswered) -> None:
    _count_message(tables.rows, recorded, event)["waiting_for_human"] = False


@projection.on(ConversationTakenOver)
def take_over(tables: Tables, recorded: RecordedEvent, event: ConversationTakenOver) -> None:
    _count_notice(tables.rows, recorded, event).update(
        is_human_mode=True,
        human_agent_id=event.agent_id,
        human_started_at=recorded.occurred_at,
        human_ended_at=None,
        takeover_epoch=event.epoch,
        waiting_for_human=False,
    )


@projection.on(ConversationReleased)
def release(tables: Tables, recorded: RecordedEvent, event: ConversationReleased) -> None:
    _count_notice(tables.rows, recorded, event).update(
        is_human_mode=False,
        human_ended_at=recorded.occurred_at,
        takeover_epoch=event.epoch,
    )


@projection.on(ConversationWaiting)
def set_waiting(tables: Tables, recorded: RecordedEvent, event: ConversationWaiting) -> None:
    _count_notice(tables.rows, recorded, event)["waiting_for_human"] = True


@projection.on(SessionIdentified)
def link_lead(tables: Tables, _recorded: RecordedEvent, event: SessionIdentified) -> None:
    for conversation_id in event.conversation_ids:
        if tables.rows.get(conversation_id) is not None:
            tables.rows.update(conversation_id, lead_id=event.lead_id)


@projection.on(RetentionApplied)
def delete_expired_conversations(
    tables: Tables, _recorded: RecordedEvent, event: RetentionApplied
) -> None:
    for conversation_id in event.conversation_ids:
        tables.rows.delete(conversation_id)


def _row(recorded: RecordedEvent, event: Any, channel: ConversationChannel) -> Row:
    return {
        "id": event.conversation_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "lead_id": event.lead_id,
        "widget_session_id": None,
        "channel": channel.value,
        "created_at": recorded.occurred_at,
        "is_human_mode": False,
        "human_agent_id": None,
        "human_started_at": None,
        "human_ended_at": None,
        "takeover_epoch": 0,
        "waiting_for_human": False,
        "message_count": 0,
    }


def _existing_row(rows: TableRows, recorded: RecordedEvent, event: Any) -> Row:
    """Return the row to change it; insert it again if retention has deleted it.

    Only a message of the visitor links the session again.
    """
    if rows.get(event.conversation_id) is None:
        row = _row(recorded, event, ConversationChannel.WIDGET)
        if type(event) is ConversationMessageReceived:
            row["widget_session_id"] = event.session_id
        rows.insert(event.conversation_id, row)
    return rows.change(event.conversation_id)


def _count_message(rows: TableRows, recorded: RecordedEvent, event: Any) -> Row:
    row = _existing_row(rows, recorded, event)
    row["message_count"] += 1
    return row


def _count_notice(rows: TableRows, recorded: RecordedEvent, event: Any) -> Row:
    """Count the message of a takeover notice if the visitor gets one; return the row."""
    return (
        _count_message(rows, recorded, event)
        if event.message_id
        else _existing_row(rows, recorded, event)
    )


def of_sessions(property_id: UUID, session_ids: Sequence[UUID]) -> "Select[Any]":
    """Select the conversations of widget sessions, newest first."""
    conditions = (TABLE.c.property_id == property_id, TABLE.c.widget_session_id.in_(session_ids))
    return select(TABLE).where(*conditions).order_by(TABLE.c.created_at.desc(), TABLE.c.id)
