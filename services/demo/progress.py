"""The progress of the core, read from the database and shown as one line that is updated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from rich.live import Live
from rich.table import Table

from services.runtime.tasks import end_tasks
from services.runtime.terminal import NOTES

READ_SECONDS = 0.5
PRINT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class ProgressReading:
    """The size of the log and the lag of the tables at one moment; `at` is the loop's time."""

    at: float
    appended: int
    lag_events: int
    lag_seconds: float
    rows: int


class ProgressMonitor:
    """Reads and shows the log's size, the tables' lag and their rows; `note` is shown beside."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.last: ProgressReading | None = None
        self.note = ""

    async def read(self) -> ProgressReading:
        """Read the numbers now."""
        async with self._pool.acquire() as conn:
            row = await conn.fetchrow(
                """
                SELECT (SELECT count(*) FROM crm_events) AS appended,
                  (SELECT count(*) FROM lead_activities)
                    + (SELECT count(*) FROM lead_engagement_events)
                    + (SELECT count(*) FROM lead_scores) AS rows,
                  count(*) AS events,
                  coalesce(extract(epoch FROM clock_timestamp() - min(e.recorded_at)), 0)::float8
                    AS seconds
                FROM crm_events e LEFT JOIN crm.checkpoints c
                  ON c.projection_group = 'live' AND c.shard = e.shard
                WHERE e.position IS NULL OR e.position > coalesce(c.position, 0)
                """
            )
        assert row is not None  # noqa: S101 — an aggregate always has one row
        now = asyncio.get_running_loop().time()
        return ProgressReading(now, row["appended"], row["events"], row["seconds"], row["rows"])

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Show readings until the block ends: updated in place, or as lines without a terminal."""
        with Live(console=NOTES, refresh_per_second=4, transient=False) as screen:
            task = asyncio.create_task(self._show(screen))
            try:
                yield
            finally:
                await end_tasks([task])

    async def _show(self, screen: Live) -> None:
        print_at = 0.0
        while True:
            now = await self.read()
            screen.update(self._table(self.last or now, now))
            if not NOTES.is_terminal and now.at >= print_at:
                print_at = now.at + PRINT_SECONDS
                NOTES.print(self._table(self.last or now, now))
            self.last = now
            await asyncio.sleep(READ_SECONDS)

    def _table(self, before: ProgressReading, now: ProgressReading) -> Table:
        seconds = max(now.at - before.at, 1e-9)
        rate = (now.appended - before.appended) / seconds
        table = Table(box=None, pad_edge=False)
        for name in ("events", "events/s", "lag (events)", "lag (s)", "derived rows", ""):
            table.add_column(name, justify="right")
        table.add_row(
            f"{now.appended:,}",
            f"{rate:,.0f}",
            f"{now.lag_events:,}",
            f"{now.lag_seconds:.1f}",
            f"{now.rows:,}",
            self.note,
        )
        return table
