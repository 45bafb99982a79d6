"""Replay: rebuild tables from history, verify them against it, show one lead's. No side effects."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from events.bus.read import Reader
from events.bus.topics import Topics
from events.log import read, sequencer
from projections.catalog import LIVE
from projections.engine.bus_source import BusSource
from projections.engine.projection_group import ProjectionGroup
from projections.engine.rebuild import Rebuild
from projections.engine.refold import folding, folding_log
from projections.engine.tail import Progress
from projections.engine.workers import Start, Workers
from services.runtime.database import open_pool
from services.runtime.garbage_collection import collect_rarely
from services.runtime.process import loop_factory
from services.runtime.settings import DatabaseSettings, Settings

CONNECTIONS_A_WORKER = 2
"""One reads the log while the other copies rows."""


def part_of(names: Sequence[str]) -> ProjectionGroup:
    """The named projections, or all. Raises `LookupError` for a name there is not."""
    return LIVE.only(names, LIVE.name) if names else LIVE


@asynccontextmanager
async def rebuilding(
    pool: asyncpg.Pool,
    names: Sequence[str],
    progress: Progress,
    *,
    bus: Settings | None = None,
    workers: Workers | None = None,
) -> AsyncIterator[Rebuild]:
    """A rebuild from the log (in worker processes where there are some), or from the bus."""
    if bus is None:
        fold = folding_log(pool) if workers is None else workers.fold
        yield Rebuild(pool, LIVE, part_of(names), fold, progress)
        return
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
    reader = Reader(bus.kafka_bootstrap_servers, Topics.of(bus.topic_prefix).events, state.id)
    await reader.start()
    try:
        source = BusSource(pool, reader, state.generation)
        yield Rebuild(pool, LIVE, part_of(names), folding(pool, source.histories), progress)
    finally:
        await reader.stop()


def workers(settings: DatabaseSettings, names: Sequence[str], count: int) -> Workers:
    """So many processes that fold the named projections from the log; enter to start them."""
    return Workers(
        count, Start(partial(part_of, names), partial(_worker_pool, settings), loop_factory())
    )


async def _worker_pool(settings: DatabaseSettings) -> asyncpg.Pool:
    collect_rarely()
    return await open_pool(settings, "crm replay worker", size=CONNECTIONS_A_WORKER, role=None)


async def log_length(pool: asyncpg.Pool) -> int:
    """How many events the log has numbered."""
    async with pool.acquire() as conn:
        return (await sequencer.state(conn)).position


async def status(pool: asyncpg.Pool) -> dict[str, Any]:
    """How far the log, the bus and the tables are, and what is parked."""
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
        waiting = await conn.fetchval("SELECT count(*) FROM crm_events WHERE position IS NULL")
        shards = await conn.fetch(
            """
            SELECT held.shard, held.position AS reached, heads.position AS head, held.owner,
              held.version, held.generation, held.moved_at,
              (SELECT count(*) FROM crm_events e WHERE e.shard = held.shard
                 AND e.position > held.position) AS lag_events,
              (SELECT count(*) FROM crm.parked p WHERE p.unit = held.unit
                 AND p.shard = held.shard) AS parked
            FROM crm.checkpoints held JOIN crm.shards heads USING (shard)
            WHERE held.unit = $1 ORDER BY held.shard
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


async def history_of(pool: asyncpg.Pool, lead_id: UUID) -> list[dict[str, Any]]:
    """Every fact of a lead, in the order of the log."""
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            f"SELECT {read.COLUMNS} FROM public.crm_events WHERE lead_id = $1 "
            "ORDER BY position NULLS LAST, seq",
            lead_id,
        )
    return [dict(row) for row in rows]


async def rows_of(pool: asyncpg.Pool, lead_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """What the live tables hold of a lead, by table."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with pool.acquire() as conn:
        for table in LIVE.tables:
            column = "id" if table.name == "leads" else "lead_id"
            if column in table.columns:
                rows = await conn.fetch(
                    f"SELECT * FROM {table.schema}.{table.name} WHERE {column} = $1", lead_id
                )
                found[table.name] = [dict(row) for row in rows]
    return found
