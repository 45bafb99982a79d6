"""Timers: time alone changes a score, is said once, and lateness changes no row."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from events.log.shard import shard_of
from services.timers import timers
from services.timers.timers import retire_daily, say_what_is_due
from tests.conftest import until
from tests.world import START, World, make_world


async def scored_at(world: World) -> list[tuple[int, timedelta]]:
    """Each score of the only lead: its timing part, and how old the lead was."""
    async with world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT timing_score, scored_at FROM lead_scores ORDER BY revision")
    return [(row["timing_score"], row["scored_at"] - START) for row in rows]


async def test_a_late_timer_writes_each_change_at_its_own_instant(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    captured = world.captured()
    await world.append(world.new(captured, at=START))
    await world.project()
    assert await say_what_is_due(pool, START + timedelta(hours=23)) == 0
    assert await say_what_is_due(pool, START + timedelta(days=20)) == 1
    await world.project()
    assert await scored_at(world) == [
        (15, timedelta(0)),
        (12, timedelta(days=1)),
        (8, timedelta(days=3)),
        (5, timedelta(days=7)),
        (2, timedelta(days=14)),
    ]


async def test_retention_is_applied_as_soon_as_timers_run(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(*(world.new(event, at=START - timedelta(days=900))
                         for event in world.chat(None)))  # fmt: skip
    await world.project()
    stop = asyncio.Event()
    running = asyncio.create_task(retire_daily(pool, stop))
    await until(lambda: world.count("crm_events WHERE event_type = 'retention.applied'"))
    stop.set()
    await running


async def test_two_timers_say_one_change_once(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured(), at=START))
    await world.project()
    late = START + timedelta(days=2)
    assert await say_what_is_due(pool, late) == 1
    assert await say_what_is_due(pool, late + timedelta(seconds=1)) == 0
    await world.project()
    assert await say_what_is_due(pool, late) == 0
    assert await world.count("crm_events WHERE event_type = 'score.due'") == 1


async def test_leads_whose_tables_stand_still_keep_nobody_waiting(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parked lead's change stays due when it has been said: here more than one batch of them."""
    monkeypatch.setattr(timers, "BATCH_LEADS", 3)
    parked, other, late = await make_world(pool), await make_world(pool), START + timedelta(days=2)
    leads = [parked.captured(email=f"{number}@example.com") for number in range(7)]
    await parked.append(*(parked.new(lead, at=START) for lead in leads))
    await parked.project()
    while await say_what_is_due(pool, late):
        pass
    await other.append(other.new(healthy := other.captured(), at=START + timedelta(hours=1)))
    await other.number()
    engine = await other.engine()
    await engine.claim(range(64))
    for shard, head in (await engine.behind()).items():
        if shard == shard_of(other.properties[0]):
            await engine.fill_gap(shard, head)
    await engine.settle()
    assert await say_what_is_due(pool, late) == 1
    said = await pool.fetch("SELECT lead_id FROM crm_events WHERE event_type = 'score.due'")
    assert {row["lead_id"] for row in said} == {healthy.lead_id, *(e.lead_id for e in leads)}
    assert len(said) == 8
