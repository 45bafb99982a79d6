"""A broker may lose anything: nothing of the log is lost, and the bus is made whole again."""

import asyncpg
import pytest

from events.bus.publish import Publisher
from services import projector, relay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.running import (
    demand_the_law,
    level,
    make_topic_anew,
    on_the_bus,
    running,
    talk,
    whole_on_the_bus,
)
from tests.world import make_world

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
            await until(lambda: whole_on_the_bus(kafka_settings, pool), 30)
            await talk(world, 3)
            await level(pool)
        else:
            with pytest.raises(AssertionError, match="not within"):
                await until(lambda: whole_on_the_bus(kafka_settings, pool), 5)
    await demand_the_law(pool)


async def _trusting(_: Publisher) -> None: ...


async def test_a_topic_with_another_partition_count_gets_everything_again_once(
    kafka_settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool, properties=6)
    async with running(kafka_settings, relay.work):
        await talk(world, 2)
        await until(lambda: whole_on_the_bus(kafka_settings, pool), 30)
    await make_topic_anew(kafka_settings, 4)
    async with running(kafka_settings, relay.work):
        await until(lambda: whole_on_the_bus(kafka_settings, pool), 30)
    held = await on_the_bus(kafka_settings, pool)
    async with running(kafka_settings, relay.work):
        await talk(world, 1)
        await until(lambda: whole_on_the_bus(kafka_settings, pool), 30)
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
        await level(pool, 60)
        await until(lambda: whole_on_the_bus(settings, pool), 60)
    await demand_the_law(pool)
