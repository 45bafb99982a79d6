"""Examples for one table: given events, the rows that they leave, folded in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from events.event import Event
from events.record import RecordedEvent
from projections.engine.projection import Projection
from projections.engine.working_set import WorkingSet

ORG, PROPERTY = UUID(int=1), UUID(int=2)
LEAD, SESSION, CONVERSATION, TOUR, AGENT = (UUID(int=n) for n in range(3, 8))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORDING_DELAY = timedelta(hours=7)
"""Time from the occurrence of an event to its append: a row must use the right one of the two."""


def at(number: int) -> datetime:
    """Return when the nth event occurred, from 1: one minute after the one before it."""
    return NOON + timedelta(minutes=number - 1)


def event_id(number: int) -> UUID:
    """Return the id of the nth event."""
    return UUID(int=1_000 + number)


def record(
    number: int,
    event: Event,
    occurred_at: datetime | None = None,
    recording_delay: timedelta = RECORDING_DELAY,
) -> RecordedEvent:
    """Return the nth event of a shard as a recorded event."""
    occurred_at = occurred_at or at(number)
    return RecordedEvent(
        event_id(number), event, event.stream, event.stream_id, number, 0, number, number - 1,
        ORG, PROPERTY, event.lead, occurred_at, occurred_at + recording_delay, "test", "live",
        None, None,
    )  # fmt: skip


def rows_of(
    projection: Projection, *events: Event | tuple[Event, datetime]
) -> list[dict[str, Any]]:
    """Return the rows after these events, by key; an event may have its time of occurrence.

    The events are folded with two recording delays: no value may depend on `recorded_at`.
    """
    rows = _fold(projection, events, RECORDING_DELAY)
    assert _fold(projection, events, 2 * RECORDING_DELAY) == rows
    return rows


def _fold(
    projection: Projection,
    events: Sequence[Event | tuple[Event, datetime]],
    recording_delay: timedelta,
) -> list[dict[str, Any]]:
    recorded_events = []
    for number, entry in enumerate(events, start=1):
        event, occurred_at = entry if isinstance(entry, tuple) else (entry, None)
        recorded_events.append(record(number, event, occurred_at, recording_delay))
    work = WorkingSet([projection])
    for table, keys in work.missing_keys(recorded_events).items():
        work.rows[table].load(keys, {})
    work.fold(recorded_events)
    table = projection.table
    inserted = work.take_changes()[table].inserted
    rows = [dict(zip(table.columns, row, strict=True)) for row in inserted]
    for row in rows:
        for column in table.json_columns:
            row[column] = None if row[column] is None else orjson.loads(row[column])
    return rows


def only(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Return these columns of each row."""
    return [tuple(row[column] for column in columns) for row in rows]
