"""`lumaleasing_config`: how a property's widget looks and behaves; its row comes with the property.

The row's id is the property's. `api_key` holds the hash of the newest key, or a text that no key
hashes to.
"""

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
    UniqueConstraint,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from events.properties import PropertyRecorded
from events.record import RecordedEvent
from events.widgets import WidgetConfigured, WidgetKeyIssued, WidgetKeyRevoked
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.projection import METADATA, DerivedTable, Projection, Row, Tables

TABLE = Table(
    "lumaleasing_config",
    METADATA,
    key(),
    refers("property_id", "properties.id", "CASCADE"),
    Column(
        "api_key",
        Text,
        nullable=False,
        unique=True,
        server_default=text("encode(gen_random_bytes(32), 'hex')"),
    ),
    Column("widget_name", Text, server_default="Luma"),
    Column("is_active", Boolean, server_default=text("true")),
    Column("collect_email", Boolean, server_default=text("true")),
    Column("collect_phone", Boolean, server_default=text("false")),
    Column("lead_capture_prompt", Text),
    Column("tours_enabled", Boolean, server_default=text("true")),
    Column("tour_duration_minutes", Integer, server_default=text("30")),
    Column("auto_reply_enabled", Boolean, server_default=text("true")),
    Column("brand_color", Text, server_default="#3B82F6"),
    Column("greeting_message", Text),
    Column("created_at", INSTANT, server_default=NOW),
    Column("updated_at", INSTANT, server_default=NOW),
    org(),
    Column("allowed_origins", JSONB, server_default="[]"),
    Column("secondary_color", Text),
    Column("logo_url", Text),
    Column("offline_message", Text),
    Column("auto_popup_delay_seconds", Integer, server_default=text("0")),
    Column("require_email_before_chat", Boolean, server_default=text("false")),
    Column("collect_name", Boolean, server_default=text("true")),
    Column("business_hours", JSONB),
    Column("holidays", JSONB, server_default="[]"),
    Column("time_zone", Text),
    Column("tour_hours", JSONB),
    Column("tour_buffer_minutes", Integer, server_default=text("0")),
    Column("tour_capacity", Integer, server_default=text("1")),
    Column("tour_blackout_dates", JSONB, server_default="[]"),
    Column("key_id", Uuid),
    Column("version", Integer, server_default=text("0")),
    UniqueConstraint("property_id"),
    Index("idx_lumaleasing_config_property", "property_id"),
    Index("idx_lumaleasing_config_api_key", "api_key"),
)
projection = Projection(
    "lumaleasing_config", version=1, table=DerivedTable(TABLE, keyed_by=("property_id",))
)

USUAL: Row = {
    "widget_name": "Luma",
    "is_active": False,
    "allowed_origins": [],
    "require_email_before_chat": False,
    "collect_name": True,
    "collect_email": True,
    "collect_phone": False,
    "lead_capture_prompt": None,
    "auto_reply_enabled": True,
    "greeting_message": None,
    "offline_message": None,
    "auto_popup_delay_seconds": 0,
    "brand_color": "#3B82F6",
    "secondary_color": None,
    "logo_url": None,
    "business_hours": None,
    "holidays": [],
    "tours_enabled": True,
    "tour_hours": None,
    "tour_duration_minutes": 30,
    "tour_buffer_minutes": 0,
    "tour_capacity": 1,
    "tour_blackout_dates": [],
}
"""What a widget does that nobody has configured; a setting that is set to null is this again."""


@projection.on(PropertyRecorded)
def record_property(tables: Tables, recorded: RecordedEvent, event: PropertyRecorded) -> None:
    """A property brings its widget, switched off, and its zone; a deleted one takes it along."""
    if event.deleted:
        tables.rows.delete(event.property_id)
        return
    row = _row(tables, recorded, event.property_id)
    zone = (event.settings or {}).get("timezone")
    zone = zone if isinstance(zone, str) and zone else None
    if row["time_zone"] != zone:
        _change(tables, recorded, event.property_id, time_zone=zone)


@projection.on(WidgetConfigured)
def configured(tables: Tables, recorded: RecordedEvent, event: WidgetConfigured) -> None:
    _row(tables, recorded, event.property_id)
    changes = {
        name: USUAL[name] if value is None else _plain(value)
        for name, value in event.changes.items()
    }
    _change(tables, recorded, event.property_id, version=recorded.version, **changes)


@projection.on(WidgetKeyIssued)
def issued(tables: Tables, recorded: RecordedEvent, event: WidgetKeyIssued) -> None:
    _row(tables, recorded, event.property_id)
    _change(tables, recorded, event.property_id, api_key=event.key_hash, key_id=event.key_id)


@projection.on(WidgetKeyRevoked)
def revoked(tables: Tables, recorded: RecordedEvent, event: WidgetKeyRevoked) -> None:
    row = _row(tables, recorded, event.property_id)
    if row["key_id"] == event.key_id:
        keyless = _keyless(event.property_id)
        _change(tables, recorded, event.property_id, api_key=keyless, key_id=None)


def _row(tables: Tables, recorded: RecordedEvent, property_id: UUID) -> Row:
    row = tables.rows.get(property_id)
    if row is None:
        row = {
            **USUAL,
            "id": property_id,
            "property_id": property_id,
            "org_id": recorded.org_id,
            "api_key": _keyless(property_id),
            "key_id": None,
            "version": 0,
            "time_zone": None,
            "created_at": recorded.occurred_at,
            "updated_at": recorded.occurred_at,
        }
        tables.rows.insert(property_id, row)
    return row


def _change(tables: Tables, recorded: RecordedEvent, property_id: UUID, **changes: Any) -> None:
    row = tables.rows.change(property_id)
    row.update(changes, updated_at=max(row["updated_at"], recorded.occurred_at))


def _keyless(property_id: UUID) -> str:
    """Stands where a hash would: hashes are hexadecimal."""
    return f"no-key/{property_id}"


def _plain(value: Any) -> Any:
    """As JSON has it: days are texts."""
    if isinstance(value, tuple):
        return [one if isinstance(one, str) else one.isoformat() for one in value]
    return value


def of_property(property_id: UUID) -> "Select[Any]":
    """The configuration, but for its key."""
    return select(*(column for column in TABLE.c if column.name not in SECRET)).where(
        TABLE.c.property_id == property_id
    )


SECRET = frozenset({"api_key", "key_id"})
"""Columns that no answer shows."""
