"""The timers: an event for each score that time alone changes, appended once."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from events.leads import LeadErased
from events.log.shard import shard_of
from services.runtime.clock import Clock
from services.runtime.process import Checks
from services.runtime.settings import Settings
from services.runtime.table_fit import TableFit, UnfitTables
from services.timers import timers
from services.timers.timers import append_due_events, apply_retention_daily
from tests.conftest import until
from tests.world import START, World, make_world


async def load_scores(world: World) -> list[tuple[int, timedelta]]:
    """Return each score of the only lead: its timing part, and the age of the lead."""
    async with world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT timing_score, scored_at FROM lead_scores ORDER BY revision")
    return [(row["timing_score"], row["scored_at"] - START) for row in rows]


async def test_a_late_timer_writes_each_change_at_its_own_instant(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    captured = world.captured()
    await world.append(world.new(captured, at=START))
    await world.project()
    assert await append_due_events(pool, START + timedelta(hours=23)) == 0
    assert await append_due_events(pool, START + timedelta(days=20)) == 1
    await world.project()
    assert await load_scores(world) == [
        (15, timedelta(0)),
        (12, timedelta(days=1)),
        (8, timedelta(days=3)),
        (5, timedelta(days=7)),
        (2, timedelta(days=14)),
    ]


@pytest.mark.parametrize("days", [0, 2])
async def test_the_process_appends_what_is_due_by_its_clock(
    settings: Settings, pool: asyncpg.Pool, days: int
) -> None:
    """The clock is set before or after the first change of the score, a day after the capture."""
    world = await make_world(pool)
    clock = Clock()
    clock.offset = START + timedelta(days=days, hours=1) - clock.now()
    await world.append(world.new(world.captured(), at=START))
    await world.project()
    stop, checks = asyncio.Event(), Checks()
    running = asyncio.create_task(timers.work(settings, stop, checks, clock))
    due = "crm_events WHERE event_type = 'score.due'"
    if days:
        await until(lambda: world.count(due))
    else:
        await until(lambda: "database" in checks)
        assert await append_due_events(pool, clock.now()) == 0
    stop.set()
    await running
    assert await world.count(due) == (1 if days else 0)


async def test_retention_is_applied_at_the_start_of_the_process(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(*(world.new(event, at=START - timedelta(days=900))
                         for event in world.chat(None)))  # fmt: skip
    await world.project()
    stop = asyncio.Event()
    running = asyncio.create_task(apply_retention_daily(pool, TableFit(pool), stop, Clock()))
    await until(lambda: world.count("crm_events WHERE event_type = 'retention.applied'"))
    stop.set()
    await running


async def test_the_process_completes_erasures(settings: Settings, pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    lead = world.captured()
    await world.append(world.new(lead))
    await world.append(world.new(LeadErased(lead_id=lead.lead_id, reason="request 7")))
    await world.project()
    stop = asyncio.Event()
    running = asyncio.create_task(timers.work(settings, stop, Checks(), Clock()))
    await until(lambda: world.count("crm_keys.data_keys WHERE destroyed_at IS NOT NULL"))
    stop.set()
    await running


async def test_two_timers_append_one_change_once(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured(), at=START))
    await world.project()
    late = START + timedelta(days=2)
    assert await append_due_events(pool, late) == 1
    assert await append_due_events(pool, late + timedelta(seconds=1)) == 0
    await world.project()
    assert await append_due_events(pool, late) == 0
    assert await world.count("crm_events WHERE event_type = 'score.due'") == 1


async def test_leads_whose_tables_are_not_updated_do_not_block_others(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parked lead stays due after its event; here there are more of them than a batch holds."""
    monkeypatch.setattr(timers, "BATCH_LEADS", 3)
    parked, other, late = await make_world(pool), await make_world(pool), START + timedelta(days=2)
    leads = [parked.captured(email=f"{number}@example.com") for number in range(7)]
    await parked.append(*(parked.new(lead, at=START) for lead in leads))
    await parked.project()
    while await append_due_events(pool, late):
        pass
    await other.append(other.new(healthy := other.captured(), at=START + timedelta(hours=1)))
    await other.number()
    engine = await other.engine()
    await engine.own(range(64))
    for shard, head in (await engine.find_gaps()).items():
        if shard == shard_of(other.properties[0]):
            await engine.fill_gap(shard, head)
    await engine.flush()
    assert await append_due_events(pool, late) == 1
    rows = await pool.fetch("SELECT lead_id FROM crm_events WHERE event_type = 'score.due'")
    assert {row["lead_id"] for row in rows} == {healthy.lead_id, *(e.lead_id for e in leads)}
    assert len(rows) == 8


async def test_nothing_is_appended_while_the_tables_of_the_host_cannot_hold_its_rows(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured(), at=START))
    await world.project()
    await owner_pool.execute("ALTER TABLE messages ALTER COLUMN role DROP NOT NULL")
    with pytest.raises(UnfitTables, match=r"run `ALTER TABLE public\.messages"):
        await timers.work(settings, asyncio.Event(), Checks(), Clock())
    assert await world.count("crm_events WHERE event_type = 'score.due'") == 0
