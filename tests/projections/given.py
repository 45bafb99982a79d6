"""Examples of one table: given facts, the rows they leave, folded in memory."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from events.event import Event
from events.record import RecordedEvent
from projections.engine.projection import Projection
from projections.engine.working_set import Work

ORG, HOUSE = UUID(int=1), UUID(int=2)
LEAD, SESSION, TALK, TOUR, AGENT = (UUID(int=n) for n in range(3, 8))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(number: int) -> datetime:
    """The instant of the nth fact, from 1: a minute each."""
    return NOON + timedelta(minutes=number - 1)


def event_id(number: int) -> UUID:
    return UUID(int=1_000 + number)


def recorded(number: int, event: Event, when: datetime | None = None) -> RecordedEvent:
    """The nth fact of a shard."""
    when = when or at(number)
    return RecordedEvent(
        event_id(number), event, event.stream, event.stream_id, number, 0, number, number - 1,
        ORG, HOUSE, event.lead, when, when, "test", "live", None, None,
    )  # fmt: skip


def rows_of(
    projection: Projection, *events: Event | tuple[Event, datetime]
) -> list[dict[str, Any]]:
    """The rows after these facts, by key; a fact happens a minute after the one before it."""
    recorded_events = [
        recorded(number, *(said if isinstance(said, tuple) else (said,)))
        for number, said in enumerate(events, start=1)
    ]
    work = Work([projection])
    for table, keys in work.wanted(recorded_events).items():
        work.rows[table].load(keys, {})
    work.fold(recorded_events)
    table = projection.table
    rows = [dict(zip(table.columns, row, strict=True)) for row in work.take()[table].inserted]
    for row in rows:
        for column in table.json_columns:
            row[column] = None if row[column] is None else orjson.loads(row[column])
    return rows


def only(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """These columns of each row."""
    return [tuple(row[column] for column in columns) for row in rows]
