"""`widget_sessions`: visitors of a property's chat widget."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, select, text

from events.conversations import ConversationMessageReceived, ConversationStarted
from events.operations import RetentionApplied
from events.record import RecordedEvent
from events.sessions import SessionIdentified, SessionStarted
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable, Row, personal
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "widget_sessions",
    METADATA,
    key(),
    refers("property_id", "properties.id", "CASCADE"),
    refers("lead_id", "leads.id", "SET NULL"),
    personal(Column("visitor_id", Text)),  # the keyed hash of the visitor's id
    personal(Column("user_agent", Text)),
    personal(Column("referrer_url", Text)),
    Column("message_count", Integer, server_default=text("0")),
    Column("converted_at", INSTANT),
    Column("last_activity_at", INSTANT, server_default=NOW),
    Column("created_at", INSTANT, server_default=NOW),
    org(),
    Index("idx_widget_sessions_property", "property_id"),
    Index("idx_widget_sessions_newest", "property_id", "created_at"),
    Index(
        "idx_widget_sessions_leads",
        "property_id",
        "lead_id",
        "created_at",
        postgresql_where=text("lead_id IS NOT NULL"),
    ),
    Index("idx_widget_sessions_lead", "lead_id"),
    Index("idx_widget_sessions_visitor", "visitor_id"),
)
projection = Projection(
    "widget_sessions",
    version=2,
    table=DerivedTable(TABLE, keyed_by=("session_id", "session_ids"), subject="id"),
)


@projection.on(SessionStarted)
def start_session(tables: Tables, recorded: RecordedEvent, event: SessionStarted) -> None:
    """Insert a session. Ignore a second start: a producer may report a session twice."""
    if tables.rows.get(event.session_id) is not None:
        return
    row = _row(recorded, event.session_id, event.lead_id)
    details = {
        "visitor_id": event.visitor_hash,
        "user_agent": event.user_agent,
        "referrer_url": event.referrer_url,
    }
    tables.rows.insert(event.session_id, {**row, **details})


@projection.on(SessionIdentified)
def link_lead(tables: Tables, recorded: RecordedEvent, event: SessionIdentified) -> None:
    session = tables.rows.get(event.session_id)
    if session is None:
        tables.rows.insert(event.session_id, _row(recorded, event.session_id, event.lead_id))
        return
    tables.rows.update(
        event.session_id,
        lead_id=event.lead_id,
        converted_at=session["converted_at"] or recorded.occurred_at,
    )


@projection.on(ConversationStarted)
def restore_session(tables: Tables, recorded: RecordedEvent, event: ConversationStarted) -> None:
    """Insert the session again if retention has deleted it."""
    if event.session_id is not None and tables.rows.get(event.session_id) is None:
        tables.rows.insert(event.session_id, _row(recorded, event.session_id, event.lead_id))


@projection.on(ConversationMessageReceived)
def count_message(
    tables: Tables, recorded: RecordedEvent, event: ConversationMessageReceived
) -> None:
    if event.session_id is None:
        return
    if tables.rows.get(event.session_id) is None:
        row = _row(recorded, event.session_id, event.lead_id)
        tables.rows.insert(event.session_id, {**row, "message_count": 1})
        return
    session = tables.rows.change(event.session_id)
    session["message_count"] += 1
    session["last_activity_at"] = max(session["last_activity_at"], recorded.occurred_at)


@projection.on(RetentionApplied)
def delete_expired_sessions(
    tables: Tables, _recorded: RecordedEvent, event: RetentionApplied
) -> None:
    """Delete old sessions. A visitor who returns later gets a new row with the same session id."""
    for session_id in event.session_ids:
        tables.rows.delete(session_id)


def _row(recorded: RecordedEvent, session_id: UUID, lead_id: UUID | None) -> Row:
    return {
        "id": session_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "lead_id": lead_id,
        "visitor_id": None,
        "user_agent": None,
        "referrer_url": None,
        "message_count": 0,
        "converted_at": recorded.occurred_at if lead_id else None,
        "last_activity_at": recorded.occurred_at,
        "created_at": recorded.occurred_at,
    }


def by_ids(property_id: UUID, session_ids: Sequence[UUID]) -> "Select[Any]":
    """Select sessions of a property."""
    return select(TABLE).where(TABLE.c.property_id == property_id, TABLE.c.id.in_(session_ids))
