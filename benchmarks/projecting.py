"""Measurement of the projector, from a full topic into empty tables."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.child import run_process
from benchmarks.growth.curve import Curve
from projections.catalog import LIVE
from projections.engine import checkpoints
from services.projector import projector
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.database import connect
from services.runtime.settings import Settings

POLL_SECONDS = 0.02
JOIN_SECONDS = 3.0
"""The time for each other projector to start, before the first one may own a shard."""


async def project(
    settings: Settings, events: int, projectors: int = 1, step: int = 0
) -> dict[str, Any]:
    """Measure the seconds in which every projector has work, and the events of these seconds.

    The time starts when all projectors own shards, and ends when the first one has no more work: so
    neither the start of processes nor an uneven distribution of few properties counts.
    `cpu_seconds` is the CPU time of this process, which is one of the projectors.
    """
    stop = asyncio.Event()
    conn = await connect(settings, "bench watch", role=None)
    async with AsyncExitStack() as stack:
        async with conn.transaction():
            if projectors > 1:
                await conn.execute("SELECT FROM crm.checkpoints FOR UPDATE")
            work_task = asyncio.create_task(projector.work(settings, stop, {}, Clock()))
            for _ in range(projectors - 1):
                await stack.enter_async_context(run_process("services.projector", settings))
            await asyncio.sleep(JOIN_SECONDS * (projectors - 1))
        while len(await conn.fetch(_OWNERS, LIVE.name)) < projectors:
            await asyncio.sleep(POLL_SECONDS)
        before = await checkpoints.positions(conn, LIVE.name)
        curve = Curve("project", events, step, settings.home)
        curve.begin()
        started, cpu_started = time.perf_counter(), time.process_time()
        while all(row["behind"] for row in await conn.fetch(_OWNERS, LIVE.name)):
            await curve.add(_applied(), conn)
            await asyncio.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - started
        cpu_seconds = time.process_time() - cpu_started
        await curve.add(events, conn)
        after = await checkpoints.positions(conn, LIVE.name)
        while any(row["behind"] for row in await conn.fetch(_OWNERS, LIVE.name)):
            await asyncio.sleep(POLL_SECONDS)
        done = await conn.fetchval(_BETWEEN, list(before), list(before.values()),
                                   [after[shard] for shard in before])  # fmt: skip
        stop.set()
        await work_task
    if parked := await conn.fetchval("SELECT detail FROM crm.parked ORDER BY position LIMIT 1"):
        raise RuntimeError(f"the workload must not park events: {parked}")
    if projectors == 1 and done != events:
        raise RuntimeError(f"{done} of {events} events were projected in the timed seconds")
    await conn.close()
    return {"events": done, "seconds": seconds, "cpu_seconds": cpu_seconds, **curve.result()}


def _applied() -> int:
    """Return how many events the projector of this process has applied; it counts each second."""
    return int(metrics.REGISTRY.get_sample_value(_APPLIED, {"shards": LIVE.name}) or 0)


_APPLIED = "crm_events_projected_total"


_OWNERS = """
    SELECT owner, bool_or(c.position < shards.position) AS behind
    FROM crm.checkpoints c JOIN crm.shards USING (shard)
    WHERE c.projection_group = $1 AND owner IS NOT NULL GROUP BY owner
"""
_BETWEEN = """
    SELECT count(*) FROM crm_events e
    JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS moved (shard, low, high)
      ON e.shard = moved.shard AND e.position > moved.low AND e.position <= moved.high
"""
