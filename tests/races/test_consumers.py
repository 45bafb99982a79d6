"""Consumers that come and go while records come: every fact is folded once."""

import asyncio

import asyncpg
import pytest

from services.projector import projector
from services.relay import relay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import demand_the_law, level, owners, running, talk
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
            await more_rows(pool)
            async with running(kafka_settings, projector.work):
                await until(lambda: owners(pool, 2))
                await more_rows(pool)
            await more_rows(pool)
            done.set()
            rounds = await loading
            await level(pool)
    finally:
        done.set()
    assert await world.count("messages") == rounds * 12 * 4
    await demand_the_law(pool)


async def more_rows(pool: asyncpg.Pool) -> None:
    """Wait until two hundred messages more have become rows."""
    messages = "SELECT count(*) FROM messages"
    before = await pool.fetchval(messages)

    async def enough() -> bool:
        return bool(await pool.fetchval(messages) > before + 200)

    await until(enough)
