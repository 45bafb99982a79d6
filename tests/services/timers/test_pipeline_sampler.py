"""Samples of the pipeline: what waits at one instant, and who caused the events since the last."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from events.record import Cause
from services.application import pipeline_samples
from services.application.pipeline_samples import (
    KEEP,
    MAX_SHARD_EVENTS,
    PipelineSample,
    list_samples,
    write_sample,
)
from services.runtime.clock import Clock
from services.timers import pipeline_sampler
from services.timers.pipeline_sampler import take_sample
from tests.conftest import until
from tests.world import START, World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def move_samples(world: World, age: timedelta) -> None:
    """Make all samples older, so that the next one has a slot of its own."""
    await world.pool.execute(
        "UPDATE crm.pipeline_samples SET sampled_at = sampled_at - $1::interval", age
    )


async def read_samples(world: World) -> list[PipelineSample]:
    async with world.pool.acquire() as conn:
        return await list_samples(conn, timedelta(hours=1))


async def sample(world: World) -> PipelineSample:
    await move_samples(world, timedelta(seconds=30))
    async with world.pool.acquire() as conn:
        await write_sample(conn, world.now)
    return (await read_samples(world))[-1]


async def test_a_level_pipeline_has_nothing_that_waits(world: World) -> None:
    await world.append(world.new(world.captured()))
    await world.project()
    found = await sample(world)
    assert (found.projection_events, found.projection_seconds) == (0, 0.0)
    assert (found.unnumbered, found.relay_seconds) == (0, 0.0)
    assert found.position == await world.pool.fetchval("SELECT position FROM crm.log")


async def test_waiting_events_are_counted_with_the_age_of_the_oldest(world: World) -> None:
    await world.project()
    await world.pool.execute(
        "INSERT INTO crm.checkpoints (projection_group, shard, version, generation, position) "
        "SELECT 'policies', shard, version, generation, position FROM crm.checkpoints "
        "WHERE projection_group = 'live'"
    )
    await world.append(*(world.new(world.captured(email=None)) for _ in range(2)))
    before = await sample(world)
    assert (before.unnumbered, before.projection_events) == (2, 2)
    assert before.relay_seconds > 0
    await world.number()
    after = await sample(world)
    assert (after.unnumbered, after.projection_events, after.policy_events) == (0, 2, 2)
    assert after.projection_seconds >= before.projection_seconds
    assert after.unpublished == before.unpublished + 2


async def test_a_large_lag_is_counted_up_to_a_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_samples, "MAX_SHARD_EVENTS", 2)
    await world.project()
    await world.append(*(world.new(world.captured(email=None)) for _ in range(5)))
    await world.number()
    assert (await sample(world)).projection_events == 2 < MAX_SHARD_EVENTS


@pytest.mark.parametrize("looked_at", [pipeline_samples.MAX_ORIGINS, 5])
async def test_events_are_counted_by_who_caused_them(
    world: World, monkeypatch: pytest.MonkeyPatch, looked_at: int
) -> None:
    """If there are more events than are looked at, their shares count for all."""
    monkeypatch.setattr(pipeline_samples, "MAX_ORIGINS", looked_at)
    await world.project()
    await sample(world)
    for _ in range(4):
        for actor in ("user:1", "visitor:2", "producer:x", "timer", "policy:y"):
            event = world.new(world.captured(email=None))
            await world.append(replace(event, cause=Cause(actor=actor)))
    await world.number()
    found = await sample(world)
    assert (found.http_events, found.intake_events, found.other_events) == (8, 4, 8)


async def test_two_processes_write_one_sample(world: World) -> None:
    for _ in range(2):
        await take_sample(world.pool, Clock())
    samples = await read_samples(world)
    assert len({item.sampled_at for item in samples}) == len(samples) <= 2
    assert all(item.sampled_at.second % pipeline_samples.SAMPLE_SECONDS == 0 for item in samples)


async def test_old_samples_are_removed(world: World) -> None:
    await sample(world)
    await move_samples(world, KEEP)
    await sample(world)
    assert await world.count("crm.pipeline_samples") == 1


async def test_due_timers_and_owners_are_seen(world: World) -> None:
    await world.pool.execute(
        "INSERT INTO crm.timers (kind, entity_id, org_id, property_id, due_at, queue_at) "
        "SELECT 'run', gen_random_uuid(), $1, $2, $3, $3 FROM generate_series(1, 3)",
        world.org_id, world.properties[0], world.now - timedelta(minutes=1),
    )  # fmt: skip
    await world.pool.execute(
        "UPDATE crm.log SET relay_name = 'host:1', relay_lease_until = now() + interval '1 minute'"
    )
    found = await sample(world)
    assert (found.timers_due, found.timers_seconds) == (3, 60.0)
    assert found.owners["relay"] == ["host:1"]


async def test_the_process_samples_until_it_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, stop = Clock(), asyncio.Event()
    clock.offset = START - clock.now()
    running = asyncio.create_task(pipeline_sampler.sample_regularly(world.pool, stop, clock))
    await until(lambda: world.count("crm.pipeline_samples"))
    stop.set()
    await running
    assert abs(pipeline_sampler.CLOCK_OFFSET._value.get()) < 5
    [disk] = pipeline_sampler.DISK_FREE.collect()
    assert [item for item in disk.samples if item.value > 0]
