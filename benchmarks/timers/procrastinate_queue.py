"""The same work with procrastinate: a worker of twenty concurrent jobs that deletes done jobs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import asyncpg
from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.jobs import Job

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
from services.runtime.database import pooled
from services.runtime.settings import Settings

QUEUE = TASK = "bench"
SCHEDULE_TIMERS = 1_000
INSERT_DEAD_ROWS = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at) "
    "SELECT 'bench', 'bench', '{\"number\": 0, \"due_at\": 0}', '2020-01-01' "
    "FROM generate_series(1, $1::bigint)"
)
CHANGE_DEAD_ROWS = (
    "UPDATE procrastinate_jobs SET status = 'doing' WHERE scheduled_at = '2020-01-01'",
    "DELETE FROM procrastinate_jobs WHERE scheduled_at = '2020-01-01'",
)


class ProcrastinateQueue:
    """An app of procrastinate with one task."""

    def __init__(self, app: App, pool: asyncpg.Pool) -> None:
        self.tally = Tally(0)
        self._app, self._pool = app, pool
        app.task(name=TASK, queue=QUEUE, retry=RetryStrategy(max_attempts=5, wait=1))(self._do)

    async def _do(self, number: int, due_at: float) -> None:
        await self._pool.execute(INSERT_ROW, number)
        self.tally.add([due_at])

    async def schedule(self, timers: Sequence[Timer]) -> None:
        for start in range(0, len(timers), SCHEDULE_TIMERS):
            await self._app.job_manager.batch_defer_jobs_async([
                Job(
                    id=None, queue=QUEUE, lock=None, queueing_lock=None, task_name=TASK,
                    task_kwargs=timer._asdict(),
                    scheduled_at=datetime.fromtimestamp(timer.due_at, UTC),
                )
                for timer in timers[start : start + SCHEDULE_TIMERS]
            ])  # fmt: skip

    async def leave_dead_rows(self, count: int) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            # Without the triggers, which only keep a history of the jobs.
            await conn.execute("SET LOCAL session_replication_role = 'replica'")
            await conn.execute(INSERT_DEAD_ROWS, count)
            for statement in CHANGE_DEAD_ROWS:
                await conn.execute(statement)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        worker = asyncio.create_task(self._work())
        try:
            yield
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    async def _work(self) -> None:
        """Run workers one after the other, as a supervisor starts a worker again that ended.

        It first gives back the jobs that the last worker left, as the manual of procrastinate
        recommends for stalled jobs.
        """
        manager = self._app.job_manager
        while True:
            for job in await manager.get_stalled_jobs(queue=QUEUE):
                await manager.retry_job(job)
            with suppress(Exception):
                await self._app.run_worker_async(
                    queues=[QUEUE], concurrency=CONCURRENCY, delete_jobs="always",
                    fetch_job_polling_interval=POLL_SECONDS, install_signal_handlers=False,
                    shutdown_graceful_timeout=1,
                )  # fmt: skip

    async def count_rows(self, conn: Connection) -> tuple[int, int]:
        return await count_bench_rows(conn)


@asynccontextmanager
async def open_queue(settings: Settings) -> AsyncIterator[ProcrastinateQueue]:
    """Apply the schema, and open the pools."""
    connector = PsycopgConnector(conninfo=settings.dsn, min_size=1, max_size=CONCURRENCY)
    app = App(connector=connector)
    async with (
        app.open_async(),
        pooled(settings, "bench timers", role=None, size=CONCURRENCY) as pool,
    ):
        await pool.execute(CREATE_ROWS)
        await app.schema_manager.apply_schema_async()
        yield ProcrastinateQueue(app, pool)
