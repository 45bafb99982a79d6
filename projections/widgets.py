"""`lumaleasing_config`: the configuration of each property's widget.

The row is created with the property and has its id. `api_key` contains the hash of the current
key, or a text that is no hash.
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
from projections.engine.derived_table import METADATA, DerivedTable, Row
from projections.engine.projection import Projection, Tables

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
    Column("tour_holds_per_visitor", Integer, server_default=text("2")),
    Column("tour_holds_per_network", Integer, server_default=text("10")),
    Column("future_tours_per_contact", Integer, server_default=text("3")),
    Column("future_tours_per_network", Integer, server_default=text("20")),
    Column("tour_held_percent", Integer, server_default=text("25")),
    UniqueConstraint("property_id"),
    Index("idx_lumaleasing_config_property", "property_id"),
    Index("idx_lumaleasing_config_api_key", "api_key"),
)
projection = Projection(
    "lumaleasing_config", version=1, table=DerivedTable(TABLE, keyed_by=("property_id",))
)

DEFAULTS: Row = {
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
    "tour_holds_per_visitor": 2,
    "tour_holds_per_network": 10,
    "future_tours_per_contact": 3,
    "future_tours_per_network": 20,
    "tour_held_percent": 25,
}
"""The settings of a widget that is not configured; a setting set to null returns to these."""


@projection.on(PropertyRecorded)
def apply_property(tables: Tables, recorded: RecordedEvent, event: PropertyRecorded) -> None:
    """Create the inactive widget of a new property, follow its time zone, and delete it with it."""
    if event.deleted:
        tables.rows.delete(event.property_id)
        return
    row = _row(tables, recorded, event.property_id)
    zone = (event.settings or {}).get("timezone")
    zone = zone if isinstance(zone, str) and zone else None
    if row["time_zone"] != zone:
        _change(tables, recorded, event.property_id, time_zone=zone)


@projection.on(WidgetConfigured)
def apply_configuration(tables: Tables, recorded: RecordedEvent, event: WidgetConfigured) -> None:
    _row(tables, recorded, event.property_id)
    changes = {
        name: DEFAULTS[name] if value is None else _json_value(value)
        for name, value in event.changes.items()
    }
    _change(tables, recorded, event.property_id, version=recorded.version, **changes)


@projection.on(WidgetKeyIssued)
def apply_key_issued(tables: Tables, recorded: RecordedEvent, event: WidgetKeyIssued) -> None:
    _row(tables, recorded, event.property_id)
    _change(tables, recorded, event.property_id, api_key=event.key_hash, key_id=event.key_id)


@projection.on(WidgetKeyRevoked)
def apply_key_revoked(tables: Tables, recorded: RecordedEvent, event: WidgetKeyRevoked) -> None:
    row = _row(tables, recorded, event.property_id)
    if row["key_id"] == event.key_id:
        no_key = _no_key(event.property_id)
        _change(tables, recorded, event.property_id, api_key=no_key, key_id=None)


def _row(tables: Tables, recorded: RecordedEvent, property_id: UUID) -> Row:
    row = tables.rows.get(property_id)
    if row is None:
        row = {
            **DEFAULTS,
            "id": property_id,
            "property_id": property_id,
            "org_id": recorded.org_id,
            "api_key": _no_key(property_id),
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


def _no_key(property_id: UUID) -> str:
    """Return a unique value for a widget without a key: no hash, because it is not hexadecimal."""
    return f"no-key/{property_id}"


def _json_value(value: Any) -> Any:
    """Return a value as JSON has it: days are texts."""
    if isinstance(value, tuple):
        return [item if isinstance(item, str) else item.isoformat() for item in value]
    return value


def of_property(property_id: UUID) -> "Select[Any]":
    """Select the configuration without its key."""
    return select(*(column for column in TABLE.c if column.name not in SECRET)).where(
        TABLE.c.property_id == property_id
    )


SECRET = frozenset({"api_key", "key_id"})
"""Columns that no response contains."""
