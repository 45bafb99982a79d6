"""Consumers that come and go while records come: every fact is folded once."""

import asyncio

import asyncpg
import pytest

from services import projector, relay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.running import demand_the_law, level, running, talk
from tests.world import make_world

pytestmark = pytest.mark.stack


async def test_projectors_that_come_and_go_under_load_fold_every_fact_once(
    kafka_settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool, properties=12)
    done = asyncio.Event()

    async def load() -> int:
        rounds = 0
        while not done.is_set():
            await talk(world, 4)
            rounds += 1
        return rounds

    loading = asyncio.create_task(load())
    try:
        async with running(kafka_settings, relay.work, projector.work):
            await rows_there(pool, 100)
            async with running(kafka_settings, projector.work):
                await rows_there(pool, 1_000)
            await rows_there(pool, 1_500)
            done.set()
            rounds = await loading
            await level(pool)
    finally:
        done.set()
    assert await world.count("messages") == rounds * 12 * 4
    await demand_the_law(pool)


async def rows_there(pool: asyncpg.Pool, wanted: int) -> None:
    """Wait until so many messages have become rows."""

    async def enough() -> bool:
        async with pool.acquire() as conn:
            return bool(await conn.fetchval("SELECT count(*) FROM messages") > wanted)

    await until(enough, 60)
