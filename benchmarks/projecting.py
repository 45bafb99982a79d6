"""Projecting: the real projector, from a full topic into empty tables."""

import asyncio
import time

from events.log.connection import Connection
from projections.catalog import LIVE
from services import projector
from services.runtime.database import connect
from services.runtime.settings import Settings

LOOK_SECONDS = 0.02


async def project(settings: Settings, events: int) -> dict[str, float]:
    """Seconds from owning shards until every row is durable: joining the group is not timed.

    `cpu_seconds` are those this process computed; the rest it waited for PostgreSQL.
    """
    stop = asyncio.Event()
    conn = await connect(settings, "bench watch")
    working = asyncio.create_task(projector.work(settings, stop, {}))
    while not await _owned(conn):
        await asyncio.sleep(LOOK_SECONDS)
    began, busy = time.perf_counter(), time.process_time()
    while await _behind(conn):
        await asyncio.sleep(LOOK_SECONDS)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    stop.set()
    await working
    if parked := await conn.fetchval("SELECT detail FROM crm.parked ORDER BY position LIMIT 1"):
        raise RuntimeError(f"the workload must project whole: {parked}")
    await conn.close()
    return {"events": events, "seconds": seconds, "cpu_seconds": busy}


async def _owned(conn: Connection) -> bool:
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM crm.checkpoints WHERE unit = $1 AND owner IS NOT NULL)",
        LIVE.name,
    )
    return found


async def _behind(conn: Connection) -> bool:
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM crm.checkpoints held JOIN crm.shards USING (shard) "
        "WHERE held.unit = $1 AND held.position < shards.position)",
        LIVE.name,
    )
    return found
