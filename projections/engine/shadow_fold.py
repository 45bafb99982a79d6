"""The shadow fold: folds the log into empty shadow tables, shard by shard.

All entities that refer to each other belong to one property, so the rows of a shard depend on the
events of that shard only. Its rows are kept in memory and copied once; rows that are only added are
copied page by page. Nothing is read from the tables unless the rows do not fit in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import RecordedEvent
from projections.engine import shadow, store
from projections.engine.derived_table import DerivedTable, StoredRow
from projections.engine.projection_group import ProjectionGroup
from projections.engine.shard_history import (
    EventPages,
    HistorySource,
    ShardBounds,
    read_shard,
    refuse_unreadable,
)
from projections.engine.working_set import WorkingSet

HOLD_ROWS = 500_000
"""Rows that may stay in memory; with more, they are written, and read again by key."""


@dataclass(frozen=True, slots=True)
class FoldTarget:
    """The shadow tables of a projection group in a schema, and the events to skip."""

    group: ProjectionGroup
    schema: str
    skipped: Collection[UUID]


HistoryFold: TypeAlias = Callable[[FoldTarget, ShardBounds, Callable[[int], None]], Awaitable[None]]
"""A function that folds histories into a target; it reports the number of events of each page."""


def make_fold(pool: asyncpg.Pool, source: HistorySource) -> HistoryFold:
    """Return a function that folds one history after the other, in this process."""

    async def fold(target: FoldTarget, bounds: ShardBounds, report: Callable[[int], None]) -> None:
        async for pages in source(bounds):
            await fold_into_shadow(pool, target, pages, report)

    return fold


def make_log_fold(pool: asyncpg.Pool) -> HistoryFold:
    """Return a function that folds every shard from the log, in this process."""

    async def read_shards(bounds: ShardBounds) -> AsyncIterator[EventPages]:
        for shard, upto in bounds.items():
            if upto:
                yield read_shard(pool, shard, upto)

    return make_fold(pool, read_shards)


async def fold_into_shadow(
    pool: asyncpg.Pool, target: FoldTarget, pages: EventPages, report: Callable[[int], None]
) -> None:
    """Fold whole shards into shadow tables. Raise `UnsupportedEvent`, `PoisonEvent`.

    Stored rows of persons who were erased keep their values until `erasure.scrub_shadow`.
    `report` gets the number of events of each page.
    """
    work = target.group.working_set()
    is_spilled = False
    copying: asyncio.Task[None] | None = None
    async with aclosing(pages), pool.acquire() as conn:
        try:
            async for page in pages:
                recorded_events = page
                if target.skipped:
                    recorded_events = [
                        recorded for recorded in page if recorded.id not in target.skipped
                    ]
                refuse_unreadable(recorded_events)
                await _load(conn, work, recorded_events, target, is_spilled, copying)
                await work.fold_in_slices(recorded_events)
                report(len(page))
                added = work.take_added_rows()
                if copying is not None:
                    await copying
                copying = asyncio.create_task(_copy(conn, added, target.schema))
                if len(work) > HOLD_ROWS:
                    await copying
                    copying, is_spilled = None, True
                    await _spill(conn, work, target)
            if copying is not None:
                await copying
                copying = None
            async with _unflushed(conn):
                await store.write(conn, work.take_shadow_changes(), target.schema)
        finally:
            if copying is not None:
                copying.cancel()


@asynccontextmanager
async def _unflushed(conn: Connection) -> AsyncIterator[None]:
    """Run a transaction whose commit is not flushed: a crash ends the rebuild anyway."""
    async with conn.transaction():
        await conn.execute("SET LOCAL synchronous_commit = off")
        yield


async def _load(
    conn: Connection,
    work: WorkingSet,
    recorded_events: Sequence[RecordedEvent],
    target: FoldTarget,
    is_spilled: bool,
    copying: "asyncio.Task[None] | None",
) -> None:
    """Load the rows that a page needs. Before the first spill, a missing row does not exist."""
    missing = work.missing_keys(recorded_events)
    if is_spilled and missing and copying is not None:
        await copying  # it uses the same connection
    for table, keys in missing.items():
        if is_spilled:
            await store.fetch(conn, table, work.rows[table], keys, target.schema)
        else:
            work.rows[table].load(keys, {})


async def _spill(conn: Connection, work: WorkingSet, target: FoldTarget) -> None:
    """Write all rows and drop them from memory; from now on they are read by key."""
    async with _unflushed(conn):
        await store.write(conn, work.take_shadow_changes(), target.schema)
    work.drop_rows()
    for table in target.group.tables:
        if table.keyed_by:
            await shadow.create_key_index(conn, table, target.schema)


async def _copy(
    conn: Connection, added: Mapping[DerivedTable, list[StoredRow]], schema: str
) -> None:
    async with _unflushed(conn):
        for table, rows in added.items():
            if rows:
                await store.insert(conn, table, rows, schema)
