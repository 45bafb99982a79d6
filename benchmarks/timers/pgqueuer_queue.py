"""The same work with PgQueuer: large batches, a pool of asyncpg, and retries by the database."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.timers.contender import (
    CONCURRENCY,
    CREATE_ROWS,
    INSERT_ROW,
    POLL_SECONDS,
    Tally,
    Timer,
    count_bench_rows,
)
from events.log.connection import Connection
from services.runtime.database import CONNECTION_ERRORS, pooled
from services.runtime.settings import Settings

ENTRYPOINT = "bench"
BATCH_JOBS = 100
SCHEDULE_TIMERS = 1_000
INSERT_DEAD_ROWS = (
    "INSERT INTO pgqueuer (priority, entrypoint, status, execute_after) "
    "SELECT 0, 'bench', 'queued', '2020-01-01' FROM generate_series(1, $1::bigint)"
)
CHANGE_DEAD_ROWS = (
    "UPDATE pgqueuer SET status = 'picked' WHERE execute_after = '2020-01-01'",
    "DELETE FROM pgqueuer WHERE execute_after = '2020-01-01'",
)


class PgQueuerQueue:
    """A queue of PgQueuer with one entrypoint."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.tally = Tally(0)
        self._pool = pool

    async def _do(self, job: Job) -> None:
        timer = Timer(*json.loads(job.payload or b"[]"))
        await self._pool.execute(INSERT_ROW, timer.number)
        self.tally.add([timer.due_at])

    async def schedule(self, timers: Sequence[Timer]) -> None:
        queries = Queries(AsyncpgPoolDriver(self._pool))
        for start in range(0, len(timers), SCHEDULE_TIMERS):
            batch = timers[start : start + SCHEDULE_TIMERS]
            now = time.time()
            await queries.enqueue(
                [ENTRYPOINT] * len(batch),
                [json.dumps(timer).encode() for timer in batch],
                [0] * len(batch),
                [timedelta(seconds=max(0.0, timer.due_at - now)) for timer in batch],
            )

    async def leave_dead_rows(self, count: int) -> None:
        await self._pool.execute(INSERT_DEAD_ROWS, count)
        for statement in CHANGE_DEAD_ROWS:
            await self._pool.execute(statement)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        worker = asyncio.create_task(self._work())
        try:
            yield
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    async def _work(self) -> None:
        """Run workers one after the other, as a supervisor starts a worker again that failed."""
        while True:
            app = PgQueuer.from_asyncpg_pool(self._pool)
            app.entrypoint(ENTRYPOINT, executor_factory=DatabaseRetryEntrypointExecutor)(self._do)
            with suppress(*CONNECTION_ERRORS):
                await app.qm.run(
                    dequeue_timeout=timedelta(seconds=POLL_SECONDS), batch_size=BATCH_JOBS
                )

    async def count_rows(self, conn: Connection) -> tuple[int, int]:
        return await count_bench_rows(conn)


@asynccontextmanager
async def open_queue(settings: Settings) -> AsyncIterator[PgQueuerQueue]:
    """Install the tables, and open a pool."""
    async with pooled(settings, "bench timers", role=None, size=CONCURRENCY) as pool:
        await pool.execute(CREATE_ROWS)
        await Queries(AsyncpgPoolDriver(pool)).install()
        yield PgQueuerQueue(pool)
