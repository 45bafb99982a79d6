"""Projecting: the real projector, from a full topic into empty tables."""

import asyncio
import time
from contextlib import AsyncExitStack

from benchmarks.child import process
from events.log.connection import Connection
from projections.catalog import LIVE
from services import projector
from services.runtime.database import connect
from services.runtime.settings import Settings

LOOK_SECONDS = 0.02
JOIN_SECONDS = 3.0
"""So long other projectors have to start before the first may own anything."""


async def project(settings: Settings, events: int, projectors: int = 1) -> dict[str, float]:
    """Seconds from owning shards until every row is durable: joining the group is not timed.

    Of several projectors the first is this process; what it projected while the others joined is
    not counted. `cpu_seconds` are those this process computed; the rest it waited.
    """
    stop = asyncio.Event()
    conn = await connect(settings, "bench watch")
    async with AsyncExitStack() as stack:
        async with conn.transaction():
            if projectors > 1:
                await conn.execute("SELECT FROM crm.checkpoints FOR UPDATE")
            working = asyncio.create_task(projector.work(settings, stop, {}))
            for _ in range(projectors - 1):
                await stack.enter_async_context(process("services.projector", settings))
            await asyncio.sleep(JOIN_SECONDS if projectors > 1 else 0)
        while await conn.fetchval(_OWNERS, LIVE.name) < projectors:
            await asyncio.sleep(LOOK_SECONDS)
        already = await conn.fetchval(_PROJECTED, LIVE.name) if projectors > 1 else 0
        began, busy = time.perf_counter(), time.process_time()
        while await _behind(conn):
            await asyncio.sleep(LOOK_SECONDS)
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        stop.set()
        await working
    if parked := await conn.fetchval("SELECT detail FROM crm.parked ORDER BY position LIMIT 1"):
        raise RuntimeError(f"the workload must project whole: {parked}")
    await conn.close()
    return {"events": events - already, "seconds": seconds, "cpu_seconds": busy}


_OWNERS = "SELECT count(DISTINCT owner) FROM crm.checkpoints WHERE unit = $1"
_PROJECTED = """
    SELECT count(*) FROM crm_events e JOIN crm.checkpoints held USING (shard)
    WHERE held.unit = $1 AND e.position <= held.position
"""


async def _behind(conn: Connection) -> bool:
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM crm.checkpoints held JOIN crm.shards USING (shard) "
        "WHERE held.unit = $1 AND held.position < shards.position)",
        LIVE.name,
    )
    return found
