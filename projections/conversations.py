"""`conversations`: exchanges with a visitor or lead, and who answers in them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    func,
    select,
    text,
)

from events.chat import (
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
    SessionIdentified,
)
from events.operations import RetentionApplied
from events.record import RecordedEvent
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
    Index("idx_conversations_newest", "property_id", "created_at"),
    Index("idx_conversations_session", "widget_session_id"),
)
projection = Projection(
    "conversations",
    version=2,
    table=DerivedTable(TABLE, keyed_by=("conversation_id", "conversation_ids"), kept=True),
)


@projection.on(ConversationStarted)
def started(tables: Tables, recorded: RecordedEvent, event: ConversationStarted) -> None:
    """The first start counts: a conversation is observed, and may be reported twice."""
    if tables.rows.get(event.conversation_id) is not None:
        return
    row = _row(recorded, event, event.channel)
    tables.rows.insert(event.conversation_id, {**row, "widget_session_id": event.session_id})


@projection.on(ConversationAdopted)
def adopted(tables: Tables, recorded: RecordedEvent, event: ConversationAdopted) -> None:
    """The host's row may be there already: it is taken over, and afterwards follows the host."""
    held = tables.rows.get(event.conversation_id)
    if held is not None and held["org_id"] is not None:
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
    if held is None:
        tables.rows.insert(event.conversation_id, row)
    else:
        tables.rows.update(event.conversation_id, **row)


@projection.on(ConversationMessageAdopted)
def message_adopted(
    tables: Tables, recorded: RecordedEvent, event: ConversationMessageAdopted
) -> None:
    if not event.edited:
        _count(tables.rows, recorded, event)


@projection.on(ConversationMessageReceived, ConversationReplied)
def spoken(
    tables: Tables,
    recorded: RecordedEvent,
    event: ConversationMessageReceived | ConversationReplied,
) -> None:
    _count(tables.rows, recorded, event)


@projection.on(ConversationAnswered)
def answered(tables: Tables, recorded: RecordedEvent, event: ConversationAnswered) -> None:
    _count(tables.rows, recorded, event)["waiting_for_human"] = False


@projection.on(ConversationTakenOver)
def taken_over(tables: Tables, recorded: RecordedEvent, event: ConversationTakenOver) -> None:
    _told(tables.rows, recorded, event).update(
        is_human_mode=True,
        human_agent_id=event.agent_id,
        human_started_at=recorded.occurred_at,
        human_ended_at=None,
        takeover_epoch=event.epoch,
        waiting_for_human=False,
    )


@projection.on(ConversationReleased)
def released(tables: Tables, recorded: RecordedEvent, event: ConversationReleased) -> None:
    _told(tables.rows, recorded, event).update(
        is_human_mode=False,
        human_ended_at=recorded.occurred_at,
        takeover_epoch=event.epoch,
    )


@projection.on(ConversationWaiting)
def waiting(tables: Tables, recorded: RecordedEvent, event: ConversationWaiting) -> None:
    _told(tables.rows, recorded, event)["waiting_for_human"] = True


@projection.on(SessionIdentified)
def identified(tables: Tables, _recorded: RecordedEvent, event: SessionIdentified) -> None:
    for conversation_id in event.conversation_ids:
        if tables.rows.get(conversation_id) is not None:
            tables.rows.update(conversation_id, lead_id=event.lead_id)


@projection.on(RetentionApplied)
def expired(tables: Tables, _recorded: RecordedEvent, event: RetentionApplied) -> None:
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


def _held(rows: Rows, recorded: RecordedEvent, event: Any) -> Row:
    """The row, to be changed; one that retention has removed begins anew.

    The session is there again with its visitor's next message only.
    """
    if rows.get(event.conversation_id) is None:
        row = _row(recorded, event, ConversationChannel.WIDGET)
        if type(event) is ConversationMessageReceived:
            row["widget_session_id"] = event.session_id
        rows.insert(event.conversation_id, row)
    return rows.change(event.conversation_id)


def _count(rows: Rows, recorded: RecordedEvent, event: Any) -> Row:
    row = _held(rows, recorded, event)
    row["message_count"] += 1
    return row


def _told(rows: Rows, recorded: RecordedEvent, event: Any) -> Row:
    """As `_count`, where the visitor is told of it."""
    return _count(rows, recorded, event) if event.message_id else _held(rows, recorded, event)


def of_session(property_id: UUID, session_id: UUID) -> "Select[Any]":
    """The conversations held in a widget session, newest first."""
    mine = (TABLE.c.property_id == property_id, TABLE.c.widget_session_id == session_id)
    return select(TABLE).where(*mine).order_by(TABLE.c.created_at.desc(), TABLE.c.id)


def marks(session_ids: Sequence[UUID]) -> "Select[Any]":
    """For each of these sessions what differs as soon as anything in it is said or changes hands.

    Columns: the session, then any number that are only to be compared.
    """
    return (
        select(
            TABLE.c.widget_session_id, func.count(), func.sum(TABLE.c.message_count),
            func.sum(TABLE.c.takeover_epoch), func.bool_or(TABLE.c.waiting_for_human),
            func.bool_or(TABLE.c.is_human_mode),
        )
        .where(TABLE.c.widget_session_id.in_(session_ids))
        .group_by(TABLE.c.widget_session_id)
    )  # fmt: skip
