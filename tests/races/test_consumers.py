"""Projectors that join and leave while events are appended: every event is folded once."""

import asyncio

import asyncpg
import pytest

from services.projector import projector
from services.relay import relay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    is_owned_by,
    run_processes,
    wait_until_level,
)
from tests.world import make_world

pytestmark = pytest.mark.stack


async def test_projectors_that_join_and_leave_under_load_fold_every_event_once(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world = await make_world(pool, properties=12)
    done = asyncio.Event()

    async def load() -> int:
        rounds = 0
        while not done.is_set():
            await append_chats(world, 4)
            rounds += 1
        return rounds

    loading = asyncio.create_task(load())
    try:
        async with run_processes(kafka_settings, relay.work, projector.work):
            await wait_for_more_rows(pool)
            async with run_processes(kafka_settings, projector.work):
                await until(lambda: is_owned_by(pool, 2))
                await wait_for_more_rows(pool)
            await wait_for_more_rows(pool)
            done.set()
            rounds = await loading
            await wait_until_level(pool)
    finally:
        done.set()
    assert await world.count("messages") == rounds * 12 * 4
    await assert_live_equals_rebuilt(owner_pool)


async def wait_for_more_rows(pool: asyncpg.Pool) -> None:
    """Wait until there are two hundred more rows of messages."""
    messages = "SELECT count(*) FROM messages"
    before = await pool.fetchval(messages)

    async def has_enough() -> bool:
        return bool(await pool.fetchval(messages) > before + 200)

    await until(has_enough)
