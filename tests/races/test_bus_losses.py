"""A broker that loses records: the log loses nothing, and the relay completes the bus again."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from events.bus.publish import Publisher
from events.log import sequencer
from events.log.shard import SHARDS
from services.projector import projector
from services.relay import relay
from services.relay.run import RelayRun
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    is_bus_complete,
    load_bus_positions,
    load_bus_records,
    recreate_topic,
    run_processes,
    wait_until_level,
)
from tests.replay_determinism.property import property_in
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("protected", [True, False])
async def test_a_topic_emptied_while_processes_run_is_published_again(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    if not protected:
        monkeypatch.setattr(Publisher, "check", _skip_check)
    world = await make_world(pool, properties=6)
    async with run_processes(kafka_settings):
        await append_chats(world, 3)
        await wait_until_level(pool)
        await recreate_topic(kafka_settings, 8)
        if protected:
            await until(lambda: is_bus_complete(kafka_settings, pool))
            await append_chats(world, 3)
            await wait_until_level(pool)
        else:
            with pytest.raises(AssertionError, match="not true within"):
                await until(lambda: is_bus_complete(kafka_settings, pool), 5)
    await assert_live_equals_rebuilt(owner_pool)


async def _skip_check(_: Publisher) -> None: ...


async def _skip_recall(run: RelayRun) -> None: ...


async def test_without_recall_a_recreated_topic_stays_incomplete(
    kafka_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protection of the next test is removed."""
    world = await make_world(pool, properties=6)
    async with run_processes(kafka_settings, relay.work):
        await append_chats(world, 2)
        await until(lambda: is_bus_complete(kafka_settings, pool))
    await recreate_topic(kafka_settings, 4)
    monkeypatch.setattr(RelayRun, "recall", _skip_recall)
    async with run_processes(kafka_settings, relay.work):
        await append_chats(world, 1)
        await until(lambda: _has_newest_event(kafka_settings, pool))
        assert not await is_bus_complete(kafka_settings, pool)


async def _has_newest_event(settings: Settings, pool: asyncpg.Pool) -> bool:
    """Return whether the bus has the newest event."""
    async with pool.acquire() as conn:
        if await sequencer.has_unnumbered_rows(conn):
            return False
        last = (await sequencer.read_log_state(conn)).position
    return last in await load_bus_positions(settings, pool)


async def test_a_topic_with_another_partition_count_gets_every_event_once_more(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world = await make_world(pool, properties=6)
    async with run_processes(kafka_settings, relay.work):
        await append_chats(world, 2)
        await until(lambda: is_bus_complete(kafka_settings, pool))
    await recreate_topic(kafka_settings, 4)
    async with run_processes(kafka_settings, relay.work):
        await until(lambda: is_bus_complete(kafka_settings, pool))
    positions = await load_bus_positions(kafka_settings, pool)
    async with run_processes(kafka_settings, relay.work):
        await append_chats(world, 1)
        await until(lambda: is_bus_complete(kafka_settings, pool))
    assert len(await load_bus_positions(kafka_settings, pool)) == len(positions) + 6 * 4
    async with run_processes(kafka_settings, projector.work):
        await wait_until_level(pool)
    await assert_live_equals_rebuilt(owner_pool)


@pytest.mark.parametrize(("before", "after"), [(8, 4), (4, 16)])
async def test_a_change_of_partitions_while_processes_run_loses_nothing(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, before: int, after: int
) -> None:
    settings = kafka_settings.model_copy(update={"topic_partitions": before})
    world = await make_world(pool, properties=6)
    async with run_processes(settings):
        await append_chats(world, 2)
        await wait_until_level(pool)
        await recreate_topic(settings, after)
        await append_chats(world, 3)
        await wait_until_level(pool)
        await until(lambda: is_bus_complete(settings, pool))
    await assert_live_equals_rebuilt(owner_pool)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_running_relay_notices_that_its_topic_has_more_partitions(
    kafka_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """Every event is in the partition that Kafka's partitioner gives its property."""
    if not protected:
        monkeypatch.setattr(Publisher, "_check_partition_count", _skip_check)
        monkeypatch.setattr(Publisher, "start", _with_configured_partitions(Publisher.start))
    settings = kafka_settings.model_copy(update={"topic_partitions": 4})
    world = await make_world(pool)
    await _add_property_in_shard(world, shard=SHARDS - 1)
    async with run_processes(settings, relay.work):
        await append_chats(world, 2)
        await until(lambda: is_bus_complete(settings, pool))
        await recreate_topic(settings, 16)
        await append_chats(world, 2)
        if protected:
            await until(lambda: _are_in_their_partitions(settings, pool))
        else:
            await until(lambda: is_bus_complete(settings, pool))
            assert not await _are_in_their_partitions(settings, pool)


def _with_configured_partitions(start: Callable[[Publisher], Awaitable[None]]) -> Any:
    """Return a start that uses the partition count of the settings, not of the topic."""

    async def start_configured(publisher: Publisher) -> None:
        await start(publisher)
        publisher.partitions = 4

    return start_configured


async def _add_property_in_shard(world: World, *, shard: int) -> None:
    """Add a property in a shard that a larger topic has in another partition."""
    world.properties.append(property_in(shard))
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Far')",
            world.properties[-1],
            world.org_id,
        )


async def _are_in_their_partitions(settings: Settings, pool: asyncpg.Pool) -> bool:
    """Return whether the bus has every event in the partition of its shard."""
    async with pool.acquire() as conn:
        if await sequencer.has_unnumbered_rows(conn):
            return False
        rows = await conn.fetch("SELECT position, shard FROM crm_events")
    records, count = await load_bus_records(settings, pool)
    return {(row["shard"] % max(count, 1), row["position"]) for row in rows} <= set(records)
