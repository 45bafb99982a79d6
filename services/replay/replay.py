"""Replay: rebuild tables from history, verify them against it, show one lead's. No side effects."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from events.bus.read import Reader
from events.bus.topics import Topics
from events.bus.verify import VerifyingReader
from events.event import Event
from events.log import read, sequencer
from events.record import UnreadableEvent
from projections.catalog import LIVE
from projections.engine.bus_source import BusSource
from projections.engine.projection_group import ProjectionGroup
from projections.engine.rebuild import Rebuild
from projections.engine.shadow_fold import make_fold, make_log_fold
from projections.engine.tail import Progress
from projections.engine.workers import FoldWorkers, WorkerSetup
from services.runtime.database import open_pool
from services.runtime.database_settings import DatabaseSettings
from services.runtime.garbage_collection import collect_rarely
from services.runtime.process import loop_factory
from services.runtime.settings import Settings

CONNECTIONS_PER_WORKER = 2
"""One connection reads the log while the other copies rows."""


def select_group(names: Sequence[str]) -> ProjectionGroup:
    """Return a group of the named projections, or of all; raise `LookupError` for a wrong name."""
    return LIVE.subset(names, LIVE.name) if names else LIVE


@asynccontextmanager
async def open_rebuild(
    pool: asyncpg.Pool,
    names: Sequence[str],
    progress: Progress,
    *,
    bus: Settings | None = None,
    workers: FoldWorkers | None = None,
) -> AsyncIterator[Rebuild]:
    """Yield a rebuild that reads the log, with workers if given, or with `bus` the bus."""
    if bus is None:
        fold = make_log_fold(pool) if workers is None else workers.fold
        yield Rebuild(pool, LIVE, select_group(names), fold, progress)
        return
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
    verifying = VerifyingReader(pool, Topics.of(bus.topic_prefix).events, state.id)
    reader = Reader(bus.brokers, verifying)
    await reader.start()
    try:
        source = BusSource(pool, reader, state.generation)
        yield Rebuild(pool, LIVE, select_group(names), make_fold(pool, source.histories), progress)
    finally:
        await reader.stop()


def start_workers(settings: DatabaseSettings, names: Sequence[str], count: int) -> FoldWorkers:
    """Return `count` processes that build the named projections; entering starts them."""
    return FoldWorkers(
        count,
        WorkerSetup(partial(select_group, names), partial(_worker_pool, settings), loop_factory()),
    )


async def _worker_pool(settings: DatabaseSettings) -> asyncpg.Pool:
    collect_rarely()
    return await open_pool(settings, "crm replay worker", size=CONNECTIONS_PER_WORKER, role=None)


async def count_events(pool: asyncpg.Pool) -> int:
    """Return the number of events with a position."""
    async with pool.acquire() as conn:
        return (await sequencer.read_log_state(conn)).position


async def status(pool: asyncpg.Pool) -> dict[str, Any]:
    """Return the positions of the log, the bus and the tables, and the parked events."""
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        waiting = await conn.fetchval("SELECT count(*) FROM crm_events WHERE position IS NULL")
        shards = await conn.fetch(
            """
            SELECT held.shard, held.position AS reached, heads.position AS head, held.owner,
              held.version, held.generation, held.moved_at,
              (SELECT count(*) FROM crm_events e WHERE e.shard = held.shard
                 AND e.position > held.position) AS lag_events,
              (SELECT count(*) FROM crm.parked p WHERE p.projection_group = held.projection_group
                 AND p.shard = held.shard) AS parked
            FROM crm.checkpoints held JOIN crm.shards heads USING (shard)
            WHERE held.projection_group = $1 ORDER BY held.shard
            """,
            LIVE.name,
        )
    return {
        "log_id": state.id,
        "generation": state.generation,
        "position": state.position,
        "published": state.published,
        "unnumbered": waiting,
        "tables_version": shards[0]["version"] if shards else None,
        "build_version": LIVE.version,
        "lag_events": sum(row["lag_events"] for row in shards),
        "parked": sum(row["parked"] for row in shards),
        "shards": [dict(row) for row in shards],
    }


async def find_leads(pool: asyncpg.Pool, first: UUID, last: UUID) -> list[UUID]:
    """Return at most two leads with events whose ids are from `first` to `last`."""
    rows = await pool.fetch(
        "SELECT DISTINCT lead_id FROM public.crm_events WHERE lead_id BETWEEN $1 AND $2 LIMIT 2",
        first,
        last,
    )
    return [row["lead_id"] for row in rows]


async def load_history(pool: asyncpg.Pool, lead_id: UUID) -> list[dict[str, Any]]:
    """Return every event of a lead in the order of the log, with its payload in clear."""
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            f"SELECT {read.COLUMNS} FROM public.crm_events WHERE lead_id = $1 "
            "ORDER BY position NULLS LAST, seq",
            lead_id,
        )
        recorded_events = await read.decode_rows(conn, rows)
    return [
        {**row, "payload": _payload(recorded.event)}
        for row, recorded in zip(rows, recorded_events, strict=True)
    ]


def _payload(event: Event | UnreadableEvent) -> dict[str, Any]:
    if isinstance(event, UnreadableEvent):
        return event.payload
    return event.model_dump(mode="json", exclude_unset=True)


async def load_rows(pool: asyncpg.Pool, lead_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a lead in the live tables, by table."""
    rows_by_table: dict[str, list[dict[str, Any]]] = {}
    async with pool.acquire() as conn:
        for table in LIVE.tables:
            column = "id" if table.name == "leads" else "lead_id"
            if column in table.columns:
                rows = await conn.fetch(
                    f"SELECT * FROM {table.schema}.{table.name} WHERE {column} = $1", lead_id
                )
                rows_by_table[table.name] = [dict(row) for row in rows]
    return rows_by_table
