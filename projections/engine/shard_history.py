"""Shard histories: the events of whole shards in pages, as a rebuild reads them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import TypeAlias

import asyncpg

from events.log import read
from events.log.connection import Connection
from events.log.read import LoadedRows
from events.record import RecordedEvent, UnreadableEvent
from projections.engine.working_set import SLICE_EVENTS

PAGE_EVENTS = 2_500

EventPages: TypeAlias = AsyncGenerator[Sequence[RecordedEvent], None]
ShardBounds: TypeAlias = Mapping[int, int]
"""Shard → the position up to which it is folded."""
HistorySource: TypeAlias = Callable[[ShardBounds], AsyncIterator[EventPages]]
"""A function that yields the histories to fold; each contains whole shards."""


class UnsupportedEvent(Exception):
    """An event of the live tables that this build cannot fold."""


async def read_shard(pool: asyncpg.Pool, shard: int, upto: int) -> EventPages:
    """Yield pages of a shard up to a position; read the next page while one is folded."""
    async with pool.acquire() as conn:
        after = 0
        next_page = asyncio.create_task(_read_page(conn, shard, after, upto))
        try:
            while page := await next_page:
                after, rows = page
                more = len(rows.rows) == PAGE_EVENTS
                if more:
                    next_page = asyncio.create_task(_read_page(conn, shard, after, upto))
                yield await _decode(rows)
                if not more:
                    return
        finally:
            next_page.cancel()


async def _decode(rows: LoadedRows) -> list[RecordedEvent]:
    recorded_events: list[RecordedEvent] = []
    for start in range(0, len(rows.rows), SLICE_EVENTS):
        recorded_events += rows.decode(start, start + SLICE_EVENTS)
        await asyncio.sleep(0)  # let the tasks run that read and copy
    return recorded_events


async def _read_page(
    conn: Connection, shard: int, after: int, upto: int
) -> tuple[int, LoadedRows] | None:
    """Return the last position of a page, and its rows with the keys that decode them."""
    rows = await read.shard_rows(conn, shard, after=after, upto=upto, limit=PAGE_EVENTS)
    return (rows[-1]["position"], await read.load_rows(conn, rows)) if rows else None


def refuse_unreadable(recorded_events: Sequence[RecordedEvent]) -> None:
    """Raise `UnsupportedEvent` if this build does not know the type or version of an event."""
    if UnreadableEvent not in {type(recorded.event) for recorded in recorded_events}:
        return
    for recorded in recorded_events:
        if isinstance(recorded.event, UnreadableEvent):
            raise UnsupportedEvent(
                f"event {recorded.id} at position {recorded.position} cannot be folded: "
                f"{recorded.event.why}"
            )
