"""Measurement of one contender: a backlog, then timers at a steady rate, or a killed backend."""

import asyncio
import importlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from benchmarks.timers.contender import OpenQueue, Tally, Timer, TimerQueue
from services.runtime.database import connect
from services.runtime.settings import Settings

CONTENDERS = {
    "floor": ("floor", "open_queue"),
    "bare": ("core", "open_bare"),
    "runs": ("core", "open_runs"),
    "procrastinate": ("procrastinate_queue", "open_queue"),
    "pgqueuer": ("pgqueuer_queue", "open_queue"),
    "dbos": ("dbos_queue", "open_queue"),
    "awa": ("awa_queue", "open_queue"),
}
"""Contender → its module in this package, and the function that opens it."""
STALL_SECONDS = 45.0
"""A worker that has done nothing for so long has lost the rest of its timers.

The contenders recover the jobs of a worker that vanished after 30 seconds.
"""
LEAD_SECONDS = 2.0
"""Time between the scheduling of timers and the first due one."""
WATCH_SECONDS = 0.02
KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> ALL($1::int[]) AND backend_type = 'client backend'
ORDER BY state = 'active' DESC, state LIKE 'idle in%' DESC, query_start DESC LIMIT 1
"""


async def timers(
    settings: Settings,
    contender: str,
    timers: int,
    steady: int = 0,
    rate: float = 1.0,
    dead_rows: int = 0,
    kills: bool = False,
) -> dict[str, Any]:
    """Measure `timers` that are all due, and then `steady` ones at `rate` in a second.

    With `dead_rows` a transaction that was open before holds back the removal of dead rows until
    the end, and so many timers were done since then. With `kills` a backend of the worker is
    terminated when a third of the timers is done.
    """
    module, name = CONTENDERS[contender]
    open_queue: OpenQueue = getattr(importlib.import_module(f"benchmarks.timers.{module}"), name)
    conn = await connect(settings, "bench timers", role=None)
    async with open_queue(settings) as queue, _held_horizon(settings, dead_rows) as holder:
        if dead_rows:
            await queue.leave_dead_rows(dead_rows)
        due_at = time.time() - 1
        backlog = [Timer(number, due_at) for number in range(1, timers + 1)]
        queue.tally = Tally(timers)
        await queue.schedule(backlog)
        await conn.execute("ANALYZE")
        await conn.execute("CHECKPOINT")
        async with queue.working():
            if kills:
                await _kill_a_backend(conn, queue, [conn.get_server_pid(), *holder])
                await _wait_for_rows(conn, queue)
            else:
                await _wait(queue.tally)
            result: dict[str, Any] = queue.tally.result()
            if steady:
                result |= await _measure_lateness(queue, timers, steady, rate)
        done, twice = await queue.count_rows(conn)
    await conn.close()
    return {**result, "lost": timers + steady - done, "twice": twice}


async def _measure_lateness(
    queue: TimerQueue, timers: int, steady: int, rate: float
) -> dict[str, float]:
    """Return milliseconds from the due time to the commit, for timers at a steady rate."""
    first = time.time() + LEAD_SECONDS + steady / 100
    queue.tally = Tally(steady)
    await queue.schedule([Timer(timers + 1 + n, first + n / rate) for n in range(steady)])
    await _wait(queue.tally)
    lateness = sorted(1_000 * seconds for seconds in queue.tally.lateness)
    return {
        f"late_{name}": lateness[int(len(lateness) * share)] if lateness else float("inf")
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


async def _wait(tally: Tally) -> None:
    """Wait until all timers are done, or none for a long time."""
    while not tally.is_complete.is_set() and time.monotonic() - tally.last_at < STALL_SECONDS:
        await asyncio.sleep(WATCH_SECONDS)


async def _wait_for_rows(conn: asyncpg.Connection, queue: TimerQueue) -> None:
    """Wait for the rows: a commit whose answer was lost with the connection is not counted."""
    rows, changed_at = 0, time.monotonic()
    while rows < queue.tally.expected and time.monotonic() - changed_at < STALL_SECONDS:
        await asyncio.sleep(WATCH_SECONDS)
        before, (rows, _) = rows, await queue.count_rows(conn)
        changed_at = time.monotonic() if rows > before else changed_at


async def _kill_a_backend(conn: asyncpg.Connection, queue: TimerQueue, others: list[int]) -> None:
    while queue.tally.count < queue.tally.expected / 3:
        await asyncio.sleep(WATCH_SECONDS / 10)
    await conn.execute(KILL, others)


@asynccontextmanager
async def _held_horizon(settings: Settings, dead_rows: int) -> AsyncIterator[list[int]]:
    """Hold a snapshot open while there are dead rows; yield the process ids of its server."""
    if not dead_rows:
        yield []
        return
    holder = await connect(settings, "bench timers", role=None)
    async with holder.transaction(isolation="repeatable_read"):
        await holder.execute("SELECT 1 FROM pg_class LIMIT 1")
        yield [holder.get_server_pid()]
    await holder.close()
