"""`widget_keys`: the widget keys of each property as hashes. The table is private to the core."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from events.record import RecordedEvent
from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from projections.columns import INSTANT
from projections.engine.derived_table import METADATA, STATE_SCHEMA, DerivedTable, Row
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "widget_keys",
    METADATA,
    Column("property_id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("key_id", Uuid),
    Column("key_hash", Text),
    Column("previous_key_id", Uuid),
    Column("previous_key_hash", Text),
    Column("previous_valid_until", INSTANT),
    Column("is_active", Boolean, nullable=False, server_default=text("false")),
    Column("allowed_origins", JSONB, nullable=False, server_default="[]"),
    Index("widget_keys_hash", "key_hash"),
    Index("widget_keys_previous_hash", "previous_key_hash"),
    schema=STATE_SCHEMA,
)
projection = Projection(
    "widget_keys", version=2, table=DerivedTable(TABLE, keyed_by=("property_id",))
)


@projection.on(WidgetConfigured)
def apply_configuration(tables: Tables, recorded: RecordedEvent, event: WidgetConfigured) -> None:
    row = _row(tables, recorded, event.property_id)
    changes = event.changes
    tables.rows.update(
        event.property_id,
        is_active=changes.get("is_active", row["is_active"]) or False,
        allowed_origins=list(changes.get("allowed_origins", row["allowed_origins"]) or []),
    )


@projection.on(WidgetKeyIssued)
def apply_key_issued(tables: Tables, recorded: RecordedEvent, event: WidgetKeyIssued) -> None:
    """Make the new key the current one; the key before it may stay valid for a time.

    That is the current key, or the previous key if the current one was revoked.
    """
    row = _row(tables, recorded, event.property_id)
    has_overlap = event.previous_valid_until is not None
    prefix = "previous_" if row["key_id"] is None else ""
    tables.rows.update(
        event.property_id,
        key_id=event.key_id,
        key_hash=event.key_hash,
        previous_key_id=row[f"{prefix}key_id"] if has_overlap else None,
        previous_key_hash=row[f"{prefix}key_hash"] if has_overlap else None,
        previous_valid_until=event.previous_valid_until,
    )


@projection.on(WidgetKeyRevoked)
def apply_key_revoked(tables: Tables, recorded: RecordedEvent, event: WidgetKeyRevoked) -> None:
    row = _row(tables, recorded, event.property_id)
    if row["key_id"] == event.key_id:
        tables.rows.update(event.property_id, key_id=None, key_hash=None)
    elif row["previous_key_id"] == event.key_id:
        tables.rows.update(event.property_id, previous_key_id=None, previous_key_hash=None)


def _row(tables: Tables, recorded: RecordedEvent, property_id: UUID) -> Row:
    row = tables.rows.get(property_id)
    if row is None:
        row = {
            "property_id": property_id,
            "org_id": recorded.org_id,
            "key_id": None,
            "key_hash": None,
            "previous_key_id": None,
            "previous_key_hash": None,
            "previous_valid_until": None,
            "is_active": False,
            "allowed_origins": [],
        }
        tables.rows.insert(property_id, row)
    return row


def opened_by(key_hash: str, now: datetime) -> "Select[Any]":
    """Select the widget whose current key, or still valid previous key, has this hash."""
    is_previous = and_(TABLE.c.previous_key_hash == key_hash, TABLE.c.previous_valid_until > now)
    return select(TABLE).where(or_(TABLE.c.key_hash == key_hash, is_previous)).limit(1)


def of_property(property_id: UUID) -> "Select[Any]":
    """Select the widget of a property."""
    return select(TABLE).where(TABLE.c.property_id == property_id)
