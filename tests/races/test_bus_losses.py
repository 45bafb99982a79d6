"""A broker may lose anything: nothing of the log is lost, and the bus is made whole again."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from events.bus.publish import Publisher
from events.log import sequencer
from events.log.shard import SHARDS
from services.projector import projector
from services.relay import relay
from services.relay.run import Tour
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    demand_the_law,
    level,
    make_topic_anew,
    on_the_bus,
    places_on_the_bus,
    running,
    talk,
    whole_on_the_bus,
)
from tests.replay_determinism.property import property_in
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("protected", [True, False])
async def test_a_topic_wiped_while_all_run_is_published_again(
    kafka_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    if not protected:
        monkeypatch.setattr(Publisher, "check", _trusting)
    world = await make_world(pool, properties=6)
    async with running(kafka_settings):
        await talk(world, 3)
        await level(pool)
        await make_topic_anew(kafka_settings, 8)
        if protected:
            await until(lambda: whole_on_the_bus(kafka_settings, pool))
            await talk(world, 3)
            await level(pool)
        else:
            with pytest.raises(AssertionError, match="not within"):
                await until(lambda: whole_on_the_bus(kafka_settings, pool), 5)
    await demand_the_law(pool)


async def _trusting(_: Publisher) -> None: ...


async def _trusting_start(tour: Tour) -> None:
    """As if the topic were the one that the relay before this one knew."""


async def test_a_relay_that_does_not_ask_what_the_topic_holds_leaves_a_new_one_empty(
    kafka_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next test without its protection."""
    world = await make_world(pool, properties=6)
    async with running(kafka_settings, relay.work):
        await talk(world, 2)
        await until(lambda: whole_on_the_bus(kafka_settings, pool))
    await make_topic_anew(kafka_settings, 4)
    monkeypatch.setattr(Tour, "recall", _trusting_start)
    async with running(kafka_settings, relay.work):
        await talk(world, 1)
        await until(lambda: _arrived(kafka_settings, pool))
        assert not await whole_on_the_bus(kafka_settings, pool)


async def _arrived(settings: Settings, pool: asyncpg.Pool) -> bool:
    """Does the bus hold the newest event?"""
    async with pool.acquire() as conn:
        if await sequencer.any_waiting(conn):
            return False
        last = (await sequencer.state(conn)).position
    return last in await on_the_bus(settings, pool)


async def test_a_topic_with_another_partition_count_gets_everything_again_once(
    kafka_settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool, properties=6)
    async with running(kafka_settings, relay.work):
        await talk(world, 2)
        await until(lambda: whole_on_the_bus(kafka_settings, pool))
    await make_topic_anew(kafka_settings, 4)
    async with running(kafka_settings, relay.work):
        await until(lambda: whole_on_the_bus(kafka_settings, pool))
    held = await on_the_bus(kafka_settings, pool)
    async with running(kafka_settings, relay.work):
        await talk(world, 1)
        await until(lambda: whole_on_the_bus(kafka_settings, pool))
    assert len(await on_the_bus(kafka_settings, pool)) == len(held) + 6 * 4
    async with running(kafka_settings, projector.work):
        await level(pool)
    await demand_the_law(pool)


@pytest.mark.parametrize(("before", "after"), [(8, 4), (4, 16)])
async def test_a_topic_that_changes_its_partitions_under_everybody_loses_nothing(
    kafka_settings: Settings, pool: asyncpg.Pool, before: int, after: int
) -> None:
    settings = kafka_settings.model_copy(update={"topic_partitions": before})
    world = await make_world(pool, properties=6)
    async with running(settings):
        await talk(world, 2)
        await level(pool)
        await make_topic_anew(settings, after)
        await talk(world, 3)
        await level(pool)
        await until(lambda: whole_on_the_bus(settings, pool))
    await demand_the_law(pool)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_relay_that_runs_notices_that_a_topic_has_more_partitions(
    kafka_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """Every event comes to the partition where Kafka's partitioner puts its property."""
    if not protected:
        monkeypatch.setattr(Publisher, "_demand_partitions", _trusting)
        monkeypatch.setattr(Publisher, "start", _as_configured(Publisher.start))
    settings = kafka_settings.model_copy(update={"topic_partitions": 4})
    world = await make_world(pool)
    await _settle_in(world, shard=SHARDS - 1)
    async with running(settings, relay.work):
        await talk(world, 2)
        await until(lambda: whole_on_the_bus(settings, pool))
        await make_topic_anew(settings, 16)
        await talk(world, 2)
        if protected:
            await until(lambda: _all_in_their_places(settings, pool))
        else:
            await until(lambda: whole_on_the_bus(settings, pool))
            assert not await _all_in_their_places(settings, pool)


def _as_configured(start: Callable[[Publisher], Awaitable[None]]) -> Any:
    """Start, and take the number of partitions from the settings, not from the topic."""

    async def started(publisher: Publisher) -> None:
        await start(publisher)
        publisher.partitions = 4

    return started


async def _settle_in(world: World, *, shard: int) -> None:
    """A property more, in a shard that lies in another partition of a larger topic."""
    world.properties.append(property_in(shard))
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Far')",
            world.properties[-1],
            world.org_id,
        )


async def _all_in_their_places(settings: Settings, pool: asyncpg.Pool) -> bool:
    """Is every event on the bus in the partition of its shard, whatever else is there?"""
    async with pool.acquire() as conn:
        if await sequencer.any_waiting(conn):
            return False
        rows = await conn.fetch("SELECT position, shard FROM crm_events")
    found, count = await places_on_the_bus(settings, pool)
    return {(row["shard"] % max(count, 1), row["position"]) for row in rows} <= set(found)
