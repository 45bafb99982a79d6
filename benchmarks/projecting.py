"""Projecting: the real projector, from a full topic into empty tables."""

import asyncio
import time
from contextlib import AsyncExitStack

from benchmarks.child import process
from projections.catalog import LIVE
from projections.engine import checkpoints
from services.projector import projector
from services.runtime.database import connect
from services.runtime.settings import Settings

LOOK_SECONDS = 0.02
JOIN_SECONDS = 3.0
"""So long other projectors have to start before the first may own anything."""


async def project(settings: Settings, events: int, projectors: int = 1) -> dict[str, float]:
    """Seconds in which every projector has work: from owning shards to the first one's last row.

    Joining the group is not timed, nor what the first projected while the others joined, nor how
    unevenly a few properties fall to the projectors: `events` are those of the timed seconds.
    `cpu_seconds` are those this process, one of them, computed; the rest it waited.
    """
    stop = asyncio.Event()
    conn = await connect(settings, "bench watch", role=None)
    async with AsyncExitStack() as stack:
        async with conn.transaction():
            if projectors > 1:
                await conn.execute("SELECT FROM crm.checkpoints FOR UPDATE")
            working = asyncio.create_task(projector.work(settings, stop, {}))
            for _ in range(projectors - 1):
                await stack.enter_async_context(process("services.projector", settings))
            await asyncio.sleep(JOIN_SECONDS if projectors > 1 else 0)
        while len(await conn.fetch(_OWNERS, LIVE.name)) < projectors:
            await asyncio.sleep(LOOK_SECONDS)
        before = await checkpoints.positions(conn, LIVE.name)
        began, busy = time.perf_counter(), time.process_time()
        while all(row["behind"] for row in await conn.fetch(_OWNERS, LIVE.name)):
            await asyncio.sleep(LOOK_SECONDS)
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        after = await checkpoints.positions(conn, LIVE.name)
        while any(row["behind"] for row in await conn.fetch(_OWNERS, LIVE.name)):
            await asyncio.sleep(LOOK_SECONDS)
        done = await conn.fetchval(_BETWEEN, list(before), list(before.values()),
                                   [after[shard] for shard in before])  # fmt: skip
        stop.set()
        await working
    if parked := await conn.fetchval("SELECT detail FROM crm.parked ORDER BY position LIMIT 1"):
        raise RuntimeError(f"the workload must project whole: {parked}")
    if projectors == 1 and done != events:
        raise RuntimeError(f"{done} of {events} events were projected in the timed seconds")
    await conn.close()
    return {"events": done, "seconds": seconds, "cpu_seconds": busy}


_OWNERS = """
    SELECT owner, bool_or(held.position < shards.position) AS behind
    FROM crm.checkpoints held JOIN crm.shards USING (shard)
    WHERE held.unit = $1 AND owner IS NOT NULL GROUP BY owner
"""
_BETWEEN = """
    SELECT count(*) FROM crm_events e
    JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS moved (shard, low, high)
      ON e.shard = moved.shard AND e.position > moved.low AND e.position <= moved.high
"""
