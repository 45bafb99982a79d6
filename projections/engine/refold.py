"""Refolding: the log, shard by shard, into empty shadow tables, with nothing read back.

All that refers to one another lives in one property, so one shard's rows are made from one shard's
facts alone: they are held in memory and copied once, while the rows that are only ever added
leave page by page.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg

from events.log import read
from events.log.connection import Connection
from events.record import RecordedEvent, Unknown
from projections.engine import shadow, store
from projections.engine.projection import DerivedTable, Stored
from projections.engine.projection_group import ProjectionGroup
from projections.engine.working_set import TURN_EVENTS, Work

PAGE_EVENTS = 2_500
HOLD_ROWS = 500_000
"""Beyond so many rows in memory they are written out and read back by key."""

Pages: TypeAlias = AsyncGenerator[Sequence[RecordedEvent], None]
Bounds: TypeAlias = Mapping[int, int]
"""Shard → the position up to which it is folded."""
Source: TypeAlias = Callable[[Bounds], AsyncIterator[Pages]]
"""The histories to fold: each holds whole shards."""


class CannotFold(Exception):
    """A fact that the live tables hold cannot be folded by this build."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows go: a unit's twins in a schema, made by facts that are not to be skipped."""

    group: ProjectionGroup
    schema: str
    skipped: Collection[UUID]


Folder: TypeAlias = Callable[[Target, Bounds, Callable[[int], None]], Awaitable[None]]
"""Folds histories up to their bounds into a target, and tells how many more facts it has folded."""


def folding(pool: asyncpg.Pool, source: Source) -> Folder:
    """Fold one history after the other, in this process."""

    async def fold(target: Target, bounds: Bounds, folded: Callable[[int], None]) -> None:
        async for pages in source(bounds):
            await refold(pool, target, pages, folded)

    return fold


def folding_log(pool: asyncpg.Pool) -> Folder:
    """Fold every shard from the log, one after the other, in this process."""

    async def shards(bounds: Bounds) -> AsyncIterator[Pages]:
        for shard, upto in bounds.items():
            if upto:
                yield from_log(pool, shard, upto)

    return folding(pool, shards)


async def from_log(pool: asyncpg.Pool, shard: int, upto: int) -> Pages:
    """A shard's facts from the log up to a position, the next page read while one is folded."""
    async with pool.acquire() as conn:
        after = 0
        coming = asyncio.create_task(_page(conn, shard, after, upto))
        try:
            while rows := await coming:
                after = rows[-1]["position"]
                more = len(rows) == PAGE_EVENTS
                if more:
                    coming = asyncio.create_task(_page(conn, shard, after, upto))
                yield await _recorded_events(rows)
                if not more:
                    return
        finally:
            coming.cancel()


async def _recorded_events(rows: Sequence[asyncpg.Record]) -> list[RecordedEvent]:
    recorded_events: list[RecordedEvent] = []
    for start in range(0, len(rows), TURN_EVENTS):
        recorded_events += map(read.decode, rows[start : start + TURN_EVENTS])
        await asyncio.sleep(0)
    return recorded_events


async def _page(conn: Connection, shard: int, after: int, upto: int) -> list[asyncpg.Record]:
    return await read.shard_rows(conn, shard, after=after, upto=upto, limit=PAGE_EVENTS)


async def refold(
    pool: asyncpg.Pool, target: Target, pages: Pages, folded: Callable[[int], None]
) -> None:
    """Fold whole shards into the twins, telling how many facts. Raises `CannotFold`, `Poison`."""
    work = target.group.work()
    spilled = False
    copying: asyncio.Task[None] | None = None
    async with aclosing(pages), pool.acquire() as conn:
        await conn.execute("SET synchronous_commit = off")
        try:
            async for page in pages:
                recorded_events = page
                if target.skipped:
                    recorded_events = [
                        recorded for recorded in page if recorded.id not in target.skipped
                    ]
                refuse_unknown(recorded_events)
                await _load(conn, work, recorded_events, target, spilled, copying)
                await work.fold_in_turns(recorded_events)
                folded(len(page))
                added = {table: rows.take_added() for table, rows in work.rows.items()}
                if copying is not None:
                    await copying
                copying = asyncio.create_task(_copy(conn, added, target.schema))
                if len(work) > HOLD_ROWS:
                    await copying
                    copying, spilled = None, True
                    await _spill(conn, work, target)
            if copying is not None:
                await copying
                copying = None
            await store.write(conn, work.take(), target.schema)
        finally:
            if copying is not None:
                copying.cancel()
            await conn.execute("RESET synchronous_commit")


async def _load(
    conn: Connection,
    work: Work,
    recorded_events: Sequence[RecordedEvent],
    target: Target,
    spilled: bool,
    copying: "asyncio.Task[None] | None",
) -> None:
    wanted = work.wanted(recorded_events)
    if spilled and wanted and copying is not None:
        await copying
    for table, keys in wanted.items():
        if spilled:
            await store.fetch(conn, table, work.rows[table], keys, target.schema)
        else:
            work.rows[table].load(keys, {})


async def _spill(conn: Connection, work: Work, target: Target) -> None:
    """Too much for memory: write the rows and find them by key from now on."""
    await store.write(conn, work.take(), target.schema)
    work.forget()
    for table in target.group.tables:
        if table.keyed_by:
            await shadow.find_by_key(conn, table, target.schema)


async def _copy(conn: Connection, added: Mapping[DerivedTable, list[Stored]], schema: str) -> None:
    for table, rows in added.items():
        if rows:
            await store.insert(conn, table, rows, schema)


def refuse_unknown(recorded_events: Sequence[RecordedEvent]) -> None:
    """Raises `CannotFold` where a fact is of a kind or version this build does not know."""
    if Unknown not in {type(recorded.event) for recorded in recorded_events}:
        return
    for recorded in recorded_events:
        if isinstance(recorded.event, Unknown):
            raise CannotFold(
                f"event {recorded.id} at position {recorded.position}: {recorded.event.why}"
            )
