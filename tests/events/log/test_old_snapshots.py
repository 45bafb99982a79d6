"""A transaction that keeps deleted timers from being removed does not slow looks and claims.

Blocks are counted instead of time. Their number must not depend on how many timers were done. See
also `tests/soak/test_timers.py`.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import pytest

from events.log import timers
from events.log.timers import TimerBacklog
from events.timers import TimerKind
from tests.events.log.test_timers import add_runs
from tests.world import START, World, make_world

APPEND_EVENTS = 1_000
BATCH = 100
BLOCKS_PER_TIMER = 12
"""A claim and a removal search an index of up to three levels, and read the row."""
BLOCKS_PER_LOOK = 10


@dataclass
class TimerReader:
    """A worker of timers that counts the blocks of the table and its indexes that it reads."""

    world: World
    conn: asyncpg.Connection
    backlog: TimerBacklog = field(default_factory=lambda: TimerBacklog(TimerKind.RUN))
    now: datetime = START

    async def look(self, backlog: TimerBacklog) -> int:
        """Look a minute later, when nothing more is due; return the number of blocks."""
        self.now += timedelta(minutes=1)
        before = await self._count_blocks()
        await backlog.look(self.conn, self.now)
        return await self._count_blocks() - before

    async def do(self, count: int) -> int:
        """Set timers of one instant, look and claim them; return the number of blocks."""
        self.now += timedelta(minutes=1)
        for start in range(0, count, APPEND_EVENTS):
            await add_runs(self.world, [self.now] * min(APPEND_EVENTS, count - start))
        before, left = await self._count_blocks(), count
        while left:
            await self.backlog.look(self.conn, self.now)
            while (batch := self.backlog.take()) is not None:
                async with self.conn.transaction():
                    claimed = await timers.claim(self.conn, TimerKind.RUN, *batch, self.now)
                    await timers.remove(self.conn, claimed)
                left -= len(claimed)
        return await self._count_blocks() - before

    async def _count_blocks(self) -> int:
        await self.conn.execute("SELECT pg_stat_force_next_flush()")
        blocks: int = await self.conn.fetchval(
            "SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit "
            "FROM pg_statio_all_tables WHERE relid = 'crm.timers'::regclass"
        )
        return blocks


async def check_work_with_a_held_snapshot(
    pool: asyncpg.Pool, database_url: str, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """Look and claim after `done` timers of one instant were done since the snapshot."""
    monkeypatch.setattr(timers, "SWEEP_SECONDS", 3_600.0)
    world = await make_world(pool)
    holder = await asyncpg.connect(database_url)
    reader = TimerReader(world, await asyncpg.connect(database_url))
    async with holder.transaction(isolation="repeatable_read"):
        await holder.execute("SELECT FROM pg_class LIMIT 1")
        await reader.do(done)
        await reader.look(reader.backlog)  # begins at that instant, and reads it once more
        assert await reader.look(reader.backlog) <= BLOCKS_PER_LOOK
        assert await reader.do(BATCH) <= BLOCKS_PER_TIMER * BATCH
        # Only a look from the beginning reads the deleted rows. The worker does that rarely.
        assert await reader.look(TimerBacklog(TimerKind.RUN)) > 5 * BLOCKS_PER_LOOK
    await holder.close()
    await reader.conn.close()


async def test_a_held_snapshot_does_not_slow_looks_and_claims(
    pool: asyncpg.Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await check_work_with_a_held_snapshot(pool, database_url, monkeypatch, done=4_000)
