"""Timers: rows that events set, move and remove, and the claims of workers."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.event import Event
from events.log import timers
from events.log.timers import PropertyTaken, TimerBacklog
from events.record import Cause, Origin
from events.runs import RunCompleted, RunEnrolled, RunPaused, RunResumed, RunStopped
from events.timers import TimerKind
from tests.world import START, World, make_world

HOUR = timedelta(hours=1)


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


def enrolled(run_id: UUID, due_at: datetime) -> RunEnrolled:
    return RunEnrolled(
        run_id=run_id, lead_id=uuid4(), definition_id=uuid4(), definition_version=1,
        trigger="lead_created", reentry_key="once", next_action_at=due_at,
    )  # fmt: skip


async def add_runs(
    world: World, due: list[datetime], property_id: UUID | None = None
) -> list[UUID]:
    ids = [uuid4() for _ in due]
    await world.append(*(
        world.new(enrolled(key, at), at=START, property_id=property_id)
        for key, at in zip(ids, due, strict=True)
    ))  # fmt: skip
    return ids


async def look(world: World, backlog: TimerBacklog, now: datetime) -> TimerBacklog:
    async with world.pool.acquire() as conn:
        await backlog.look(conn, now)
    return backlog


def drain(backlog: TimerBacklog) -> Iterator[tuple[UUID, list[UUID]]]:
    while (batch := backlog.take()) is not None:
        yield batch


async def due_times(world: World) -> list[datetime]:
    rows = await world.pool.fetch("SELECT due_at FROM crm.timers ORDER BY due_at")
    return [row["due_at"] for row in rows]


async def test_events_set_move_and_remove_the_timer_of_a_run(world: World) -> None:
    run, lead = uuid4(), uuid4()
    steps: list[tuple[Event, list[datetime]]] = [
        (enrolled(run, START + HOUR), [START + HOUR]),
        (RunPaused(run_id=run, lead_id=lead, remaining_seconds=60), []),
        (RunResumed(run_id=run, lead_id=lead, next_action_at=START + 2 * HOUR), [START + 2 * HOUR]),
        (RunStopped(run_id=run, lead_id=lead, reason="enough"), []),
    ]
    for event, expected in steps:
        await world.append(world.new(event))
        assert await due_times(world) == expected


async def test_one_append_leaves_the_timer_of_its_last_event(world: World) -> None:
    run = uuid4()
    await world.append(
        world.new(enrolled(run, START)), world.new(RunCompleted(run_id=run, lead_id=uuid4()))
    )
    assert await due_times(world) == []


@pytest.mark.parametrize("origin", [Origin.IMPORT, Origin.ADOPT, Origin.CORRECTION])
async def test_history_sets_no_timer(world: World, origin: Origin) -> None:
    new = world.new(enrolled(uuid4(), START))
    await world.append(new.__class__(
        new.id, new.event, new.org_id, new.property_id, new.occurred_at, Cause("import", origin)
    ))  # fmt: skip
    assert await due_times(world) == []


async def test_a_duplicate_does_not_bring_a_timer_back(world: World) -> None:
    run = uuid4()
    first = world.new(enrolled(run, START))
    await world.append(first)
    await world.append(world.new(RunCompleted(run_id=run, lead_id=uuid4())))
    assert (await world.append(first)).duplicates
    assert await due_times(world) == []


async def test_due_timers_come_in_the_order_of_their_due_time(world: World) -> None:
    ids = await add_runs(world, [START + n * HOUR for n in (3, 1, 2, 9)])
    backlog = await look(world, TimerBacklog(TimerKind.RUN), START + 3 * HOUR)
    assert list(drain(backlog)) == [(world.properties[0], [ids[1], ids[2], ids[0]])]


async def test_properties_take_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "BATCH_TIMERS", 2)
    monkeypatch.setattr(timers, "WINDOW_TIMERS", 3)
    busy, quiet = world.properties
    await add_runs(world, [START] * 7, busy)
    await add_runs(world, [START + HOUR], quiet)
    backlog = await look(world, TimerBacklog(TimerKind.RUN), START + HOUR)
    assert [property_id for property_id, _ in drain(backlog)] == [busy, quiet, busy, busy, busy]


async def test_two_workers_never_claim_one_timer(world: World) -> None:
    [property_id, _], ids = world.properties, await add_runs(world, [START] * 3)
    async with world.pool.acquire() as one, world.pool.acquire() as two:
        async with one.transaction():
            claimed = await timers.claim(one, TimerKind.RUN, property_id, ids, START)
            assert {timer.entity_id for timer in claimed} == set(ids)
            async with two.transaction():
                with pytest.raises(PropertyTaken):
                    await timers.claim(two, TimerKind.RUN, property_id, ids, START)
            await timers.remove(one, claimed[:1])
        async with two.transaction():
            rest = await timers.claim(two, TimerKind.RUN, property_id, ids, START)
    assert {timer.entity_id for timer in rest} == {timer.entity_id for timer in claimed[1:]}


@pytest.mark.parametrize("sweeps", [True, False])
async def test_a_sweep_finds_what_lies_behind_the_last_look(
    world: World, monkeypatch: pytest.MonkeyPatch, sweeps: bool
) -> None:
    monkeypatch.setattr(timers, "SWEEP_FACTOR", 0)
    monkeypatch.setattr(timers, "SWEEP_SECONDS", 0.0 if sweeps else 1_000.0)
    [old] = await add_runs(world, [START])
    [new] = await add_runs(world, [START + HOUR])
    backlog = await look(world, TimerBacklog(TimerKind.RUN), START + HOUR)
    assert [ids for _, ids in drain(backlog)] == [[old, new]]
    again = drain(await look(world, backlog, START + HOUR))
    assert [ids for _, ids in again] == ([[old, new]] if sweeps else [[new]])


async def test_a_postponed_timer_counts_its_failed_attempts(world: World) -> None:
    [run], property_id = await add_runs(world, [START]), world.properties[0]
    async with world.pool.acquire() as conn:
        async with conn.transaction():
            [timer] = await timers.claim(conn, TimerKind.RUN, property_id, [run], START)
            await timers.postpone(conn, timer, START + HOUR, error="no template")
        async with conn.transaction():
            assert not await timers.claim(conn, TimerKind.RUN, property_id, [run], START)
            [again] = await timers.claim(conn, TimerKind.RUN, property_id, [run], START + HOUR)
    assert (again.attempts, again.due_at) == (1, START)
