"""`widget_sessions`: visitors of a property's chat widget."""

from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Select, Table, Text, select, text

from events.chat import ConversationMessageReceived, SessionIdentified, SessionStarted
from events.record import Recorded
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.projection import METADATA, DerivedTable, Projection, Tables

TABLE = Table(
    "widget_sessions",
    METADATA,
    key(),
    refers("property_id", "properties.id", "CASCADE"),
    refers("lead_id", "leads.id", "SET NULL"),
    Column("visitor_id", Text),
    Column("user_agent", Text),
    Column("referrer_url", Text),
    Column("message_count", Integer, server_default=text("0")),
    Column("converted_at", INSTANT),
    Column("last_activity_at", INSTANT, server_default=NOW),
    Column("created_at", INSTANT, server_default=NOW),
    org(),
    Index("idx_widget_sessions_property", "property_id"),
    Index("idx_widget_sessions_newest", "property_id", "created_at"),
    Index("idx_widget_sessions_lead", "lead_id"),
    Index("idx_widget_sessions_visitor", "visitor_id"),
)
projection = Projection(
    "widget_sessions", version=1, table=DerivedTable(TABLE, keyed_by=("session_id",))
)


@projection.on(SessionStarted)
def started(tables: Tables, fact: Recorded, event: SessionStarted) -> None:
    """The first start counts: a session is observed, and may be reported twice."""
    if tables.rows.get(event.session_id) is not None:
        return
    tables.rows.insert(
        event.session_id,
        {
            "id": event.session_id,
            "org_id": fact.org_id,
            "property_id": fact.property_id,
            "lead_id": event.lead_id,
            "visitor_id": event.visitor_id,
            "user_agent": event.user_agent,
            "referrer_url": event.referrer_url,
            "message_count": 0,
            "converted_at": fact.occurred_at if event.lead_id else None,
            "last_activity_at": fact.occurred_at,
            "created_at": fact.occurred_at,
        },
    )


@projection.on(SessionIdentified)
def identified(tables: Tables, fact: Recorded, event: SessionIdentified) -> None:
    session = tables.rows.get(event.session_id)
    converted = session["converted_at"] if session else None
    tables.rows.update(
        event.session_id,
        lead_id=event.lead_id,
        converted_at=converted or fact.occurred_at,
    )


@projection.on(ConversationMessageReceived)
def spoke(tables: Tables, fact: Recorded, event: ConversationMessageReceived) -> None:
    if event.session_id is None:
        return
    if tables.rows.get(event.session_id) is None:
        return
    session = tables.rows.change(event.session_id)
    session["message_count"] += 1
    session["last_activity_at"] = max(session["last_activity_at"], fact.occurred_at)


def one(property_id: UUID, session_id: UUID) -> "Select[Any]":
    """A session's row."""
    return select(TABLE).where(TABLE.c.property_id == property_id, TABLE.c.id == session_id)
