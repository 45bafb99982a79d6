"""Samples of the pipeline for the console, and the metrics that come from the same look.

Any number of timers processes may run: one of them writes each sample.
"""

import asyncio
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from prometheus_client import Gauge

from services.application.pipeline_samples import SAMPLE_SECONDS, write_sample
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.logging import get_logger
from services.runtime.metrics import REGISTRY
from services.runtime.process import sleep_unless

DIRECTORY = Path.cwd()
"""The disk of this directory is measured."""

TIMERS_DUE = Gauge("crm_timers_due", "Timers that are due now", registry=REGISTRY)
TIMERS_OVERDUE = Gauge(
    "crm_timers_overdue_seconds", "Time for which the longest waiting due timer waits",
    registry=REGISTRY,
)  # fmt: skip
HELD = Gauge("crm_deliveries_held", "Messages that a rule holds now", registry=REGISTRY)
CLOCK_OFFSET = Gauge(
    "crm_clock_offset_seconds", "Clock of this machine minus the clock of the database",
    registry=REGISTRY,
)  # fmt: skip
DISK_FREE = Gauge(
    "crm_disk_free_bytes", "Free space of the disk on which the timers process works", ["path"],
    registry=REGISTRY,
)  # fmt: skip
DISK = Gauge(
    "crm_disk_bytes", "Size of the disk on which the timers process works", ["path"],
    registry=REGISTRY,
)  # fmt: skip

log = get_logger("sampler")


async def sample_regularly(pool: asyncpg.Pool, stop: asyncio.Event, clock: Clock) -> None:
    """Write a sample every `SAMPLE_SECONDS`, until stopped."""
    while not stop.is_set():
        try:
            await take_sample(pool, clock)
        except (*CONNECTION_ERRORS, *TRANSACTION_ERRORS) as error:
            log.warning("sampler.database_away", error=error, is_retry=True)
        await sleep_unless(stop, SAMPLE_SECONDS - time.time() % SAMPLE_SECONDS)


async def take_sample(pool: asyncpg.Pool, clock: Clock) -> None:
    """Write one sample, and set the metrics."""
    async with pool.acquire() as conn:
        answer = await write_sample(conn, clock.now())
    TIMERS_DUE.set(answer.timers_due)
    TIMERS_OVERDUE.set(answer.timers_seconds)
    HELD.set(answer.held)
    CLOCK_OFFSET.set((datetime.now(UTC) - answer.database_time).total_seconds())
    disk = shutil.disk_usage(DIRECTORY)
    DISK_FREE.labels(str(DIRECTORY)).set(disk.free)
    DISK.labels(str(DIRECTORY)).set(disk.total)
