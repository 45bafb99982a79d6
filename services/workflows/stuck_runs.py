"""The watch over runs that make no progress: it counts them for the metrics."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import cast

import asyncpg

from services.application.stuck_runs import list_stuck_runs
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.logging import get_logger
from services.runtime.process import sleep_unless

COUNT_SECONDS = 20.0
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)

log = get_logger("stuck_runs")


async def count_stuck_runs_regularly(pool: asyncpg.Pool, stop: asyncio.Event, clock: Clock) -> None:
    """Count the runs that make no progress, several times a minute, until stopped."""
    while not stop.is_set():
        try:
            await count_stuck_runs(pool, clock.now())
        except RETRY_ERRORS as error:
            log.warning("stuck_runs.database_away", error=error, is_retry=True)
        await sleep_unless(stop, COUNT_SECONDS)


async def count_stuck_runs(pool: asyncpg.Pool, now: datetime) -> None:
    """Set the gauge, by tenant and kind of reason."""
    async with pool.acquire() as conn:
        found = await list_stuck_runs(cast("asyncpg.Connection", conn), now)
    counts = Counter((str(run.org_id), str(run.property_id), run.code) for run in found)
    metrics.STUCK_RUNS.clear()
    for labels, number in counts.items():
        metrics.STUCK_RUNS.labels(*labels).set(number)
