"""`tour_slots`: times at which tours can start, and who holds their places."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    Date,
    Index,
    Integer,
    Select,
    SmallInteger,
    Table,
    Text,
    Time,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from events.record import RecordedEvent
from events.slots import SlotClosed, SlotHeld, SlotOpened, SlotReleased
from projections.columns import INSTANT, NOW, key, org, refers
from projections.engine.derived_table import METADATA, DerivedTable
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "tour_slots",
    METADATA,
    key(),
    org(),
    refers("property_id", "properties.id", "CASCADE"),
    Column("slot_date", Date, nullable=False),
    Column("start_time", Time, nullable=False),
    Column("end_time", Time, nullable=False),
    Column("time_zone", Text),
    Column("fold", SmallInteger, server_default=text("0")),
    Column("starts_at", INSTANT),
    Column("duration_minutes", Integer),
    Column("capacity", Integer, server_default=text("1")),
    Column("status", Text, server_default="open"),
    Column("holds", JSONB, server_default="{}"),
    Column("created_at", INSTANT, server_default=NOW),
    Column("updated_at", INSTANT, server_default=NOW),
    Index("idx_tour_slots_property", "property_id", "slot_date"),
)
projection = Projection("tour_slots", version=1, table=DerivedTable(TABLE, keyed_by=("slot_id",)))


@projection.on(SlotOpened)
def open_slot(tables: Tables, recorded: RecordedEvent, event: SlotOpened) -> None:
    """Insert a slot; if it exists, change its capacity and keep its holds."""
    if tables.rows.get(event.slot_id) is not None:
        tables.rows.update(event.slot_id, capacity=event.capacity, updated_at=recorded.occurred_at)
        return
    tables.rows.insert(
        event.slot_id,
        {
            "id": event.slot_id,
            "org_id": recorded.org_id,
            "property_id": recorded.property_id,
            "slot_date": event.slot_date,
            "start_time": event.start_time,
            "end_time": event.end_time,
            "time_zone": event.time_zone,
            "fold": event.fold,
            "starts_at": event.starts_at,
            "duration_minutes": event.duration_minutes,
            "capacity": event.capacity,
            "status": "open",
            "holds": {},
            "created_at": recorded.occurred_at,
            "updated_at": recorded.occurred_at,
        },
    )


@projection.on(SlotHeld)
def add_hold(tables: Tables, recorded: RecordedEvent, event: SlotHeld) -> None:
    row = tables.rows.change(event.slot_id)
    hold = {
        "tour_id": _text(event.tour_id),
        "session_id": _text(event.session_id),
        "expires_at": event.expires_at.isoformat() if event.expires_at else None,
    }
    row["holds"] = {**row["holds"], str(event.hold_id): hold}
    row["updated_at"] = recorded.occurred_at


@projection.on(SlotReleased)
def remove_hold(tables: Tables, recorded: RecordedEvent, event: SlotReleased) -> None:
    row = tables.rows.change(event.slot_id)
    row["holds"] = {key: hold for key, hold in row["holds"].items() if key != str(event.hold_id)}
    row["updated_at"] = recorded.occurred_at


@projection.on(SlotClosed)
def close_slot(tables: Tables, recorded: RecordedEvent, event: SlotClosed) -> None:
    tables.rows.update(event.slot_id, status="closed", updated_at=recorded.occurred_at)


def _text(key: UUID | None) -> str | None:
    return None if key is None else str(key)


def between(property_id: UUID, first: date, last: date) -> "Select[Any]":
    """Select the slots of a property that may overlap one which begins on these local days.

    A day is added for the length of a slot, and a day for the difference of time zones.
    """
    day = timedelta(days=1)
    return select(
        TABLE.c.id, TABLE.c.starts_at, TABLE.c.duration_minutes, TABLE.c.status, TABLE.c.holds
    ).where(
        TABLE.c.property_id == property_id,
        TABLE.c.slot_date >= first - 2 * day,
        TABLE.c.slot_date <= last + 2 * day,
    )


def count_held_places(holds: dict[str, Any], now: datetime) -> int:
    """Return how many places are held at `now`; a hold ends by itself at its `expires_at`."""
    return sum(
        hold["expires_at"] is None or datetime.fromisoformat(hold["expires_at"]) > now
        for hold in holds.values()
    )
