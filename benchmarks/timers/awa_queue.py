"""The same work with awa, whose queue is written in Rust; the function of a job is Python."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

import asyncpg
from awa import AsyncClient, Job

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

QUEUE, KIND = "bench", "bench_timer"
MAX_JOBS, CLAIM_JOBS = 100, 128
MILLISECONDS = 1_000


@dataclass
class BenchTimer:
    """The arguments of a job."""

    number: int
    due_at: float


class AwaQueue:
    """A queue of awa in its own storage; the worker starts with the first `working`."""

    def __init__(self, client: AsyncClient, pool: asyncpg.Pool) -> None:
        self.tally = Tally(0)
        self._client, self._pool = client, pool
        self._is_started = False
        client.task(BenchTimer, kind=KIND, queue=QUEUE)(self._do)

    async def _do(self, job: "Job[BenchTimer]") -> None:
        if job.args.number >= 0:
            await self._pool.execute(INSERT_ROW, job.args.number)
        self.tally.add([job.args.due_at])

    async def schedule(self, timers: Sequence[Timer]) -> None:
        for due_at, group in groupby(timers, key=lambda timer: timer.due_at):
            is_due = due_at <= time.time()
            await self._client.enqueue_many_copy(
                [BenchTimer(*timer) for timer in group], kind=KIND, queue=QUEUE,
                run_at=None if is_due else datetime.fromtimestamp(due_at, UTC),
            )  # fmt: skip

    async def leave_dead_rows(self, count: int) -> None:
        """Do real jobs that insert nothing: which rows they leave depends on the time too."""
        tally, self.tally = self.tally, Tally(count)
        await self.schedule([Timer(-n, 0.0) for n in range(1, count + 1)])
        async with self.working():
            await self.tally.is_complete.wait()
        self.tally = tally

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        if not self._is_started:
            self._is_started = True
            await self._client.start(
                [{"name": QUEUE, "max_workers": MAX_JOBS, "claim_batch_size": CLAIM_JOBS}],
                poll_interval_ms=int(POLL_SECONDS * MILLISECONDS),
                promote_interval_ms=int(POLL_SECONDS * MILLISECONDS),
                leader_election_interval_ms=MILLISECONDS,
            )
        yield

    async def count_rows(self, conn: Connection) -> tuple[int, int]:
        return await count_bench_rows(conn)


@asynccontextmanager
async def open_queue(settings: Settings) -> AsyncIterator[AwaQueue]:
    """Migrate the database, and open the connections."""
    client = AsyncClient(settings.dsn, max_connections=CONCURRENCY)
    async with client, pooled(settings, "bench timers", role=None, size=CONCURRENCY) as pool:
        await pool.execute(CREATE_ROWS)
        await client.migrate()
        await client.install_queue_storage(schema="awa")  # without it, the older storage is used
        try:
            yield AwaQueue(client, pool)
        finally:
            await client.shutdown()
