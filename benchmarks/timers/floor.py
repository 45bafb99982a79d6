"""The floor: one statement takes a batch of due rows, and inserts the rows that they cause."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg

from benchmarks.timers.contender import (
    CREATE_ROWS,
    POLL_SECONDS,
    Tally,
    Timer,
    count_bench_rows,
)
from events.log.connection import Connection
from events.log.timers import BATCH_TIMERS
from services.runtime.database import CONNECTION_ERRORS, pooled
from services.runtime.settings import Settings

TAKE = f"""
WITH due AS (
  SELECT number FROM bench_timers WHERE due_at <= extract(epoch FROM clock_timestamp())
  ORDER BY due_at, number LIMIT {BATCH_TIMERS} FOR UPDATE SKIP LOCKED
), taken AS (
  DELETE FROM bench_timers USING due WHERE bench_timers.number = due.number
  RETURNING bench_timers.number, due_at
), done AS (INSERT INTO bench_rows (timer) SELECT number FROM taken)
SELECT due_at FROM taken
"""


class FloorQueue:
    """A table of timers, and one connection that takes them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.tally = Tally(0)
        self._pool = pool

    async def schedule(self, timers: Sequence[Timer]) -> None:
        await self._pool.copy_records_to_table("bench_timers", records=timers)

    async def leave_dead_rows(self, count: int) -> None:
        await self._pool.execute(
            "INSERT INTO bench_timers SELECT -n, 0 FROM generate_series(1, $1::bigint) AS n", count
        )
        await self._pool.execute("DELETE FROM bench_timers")

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        worker = asyncio.create_task(self._work())
        try:
            yield
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    async def _work(self) -> None:
        while True:
            try:
                rows = await self._pool.fetch(TAKE)
            except CONNECTION_ERRORS:
                continue
            self.tally.add([row["due_at"] for row in rows])
            if not rows:
                await asyncio.sleep(POLL_SECONDS)

    async def count_rows(self, conn: Connection) -> tuple[int, int]:
        return await count_bench_rows(conn)


@asynccontextmanager
async def open_queue(settings: Settings) -> AsyncIterator[FloorQueue]:
    """Create the tables and open a pool."""
    async with pooled(settings, "bench timers", role=None, size=2) as pool:
        await pool.execute(CREATE_ROWS)
        await pool.execute(
            "CREATE TABLE bench_timers (number bigint PRIMARY KEY, due_at float8 NOT NULL)"
        )
        await pool.execute("CREATE INDEX ON bench_timers (due_at, number)")
        yield FloorQueue(pool)
