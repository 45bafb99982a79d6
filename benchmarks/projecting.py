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
    """Seconds from owning shards until every row is durable: joining the group is not timed."""
    stop = asyncio.Event()
    conn = await connect(settings, "bench watch")
    working = asyncio.create_task(projector.work(settings, stop, {}))
    while not await _owned(conn):
        await asyncio.sleep(LOOK_SECONDS)
    began = time.perf_counter()
    while await _behind(conn):
        await asyncio.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - began
    stop.set()
    await working
    if parked := await conn.fetchval("SELECT detail FROM crm.parked ORDER BY position LIMIT 1"):
        raise RuntimeError(f"the workload must project whole: {parked}")
    await conn.close()
    return {"events": events, "seconds": seconds}


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
