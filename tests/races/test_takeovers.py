"""A killed projector: others take over its shards before its Kafka session ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from events.bus.topics import Topics
from events.log import sequencer
from projections.catalog import LIVE
from projections.engine.live import Engine
from services.event_consumer.consumer import EventConsumer
from services.event_consumer.liveness import LivenessLock, find_dead_owners
from services.event_consumer.metrics import ConsumerMetrics
from services.event_consumer.watchdog import Watchdog
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.killing import run_workers
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    is_owned_by,
    wait_until_level,
)
from tests.world import World, make_world

pytestmark = pytest.mark.stack

SESSION_SECONDS = 18
"""Three times the session of a projector, for slow machines; shorter than a start may take."""


@pytest.mark.parametrize("replaced", [False, True], ids=["alone", "replaced"])
@pytest.mark.kill
async def test_shards_of_a_killed_projector_are_folded_before_its_session_ends(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    tmp_path: Path,
    replaced: bool,
) -> None:
    world = await make_world(pool, properties=12)
    async with run_workers(kafka_settings, tmp_path, SESSION_SECONDS * 1_000) as workers:
        await until(lambda: is_owned_by(pool, 2))
        await append_chats(world, 1)
        await wait_until_level(pool)
        await workers.kill(1)
        if replaced:
            await workers.start(1)
        began = time.monotonic()
        await append_chats(world, 1)
        await wait_until_level(pool)
        assert time.monotonic() - began < SESSION_SECONDS
        await append_chats(world, 1)
        await wait_until_level(pool)
    await assert_live_equals_rebuilt(owner_pool)


async def test_only_owners_without_a_liveness_lock_count_as_dead(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    alive, dead = LivenessLock(settings, "alive"), LivenessLock(settings, "dead")
    for number, owner in enumerate((alive, dead)):
        await owner.acquire()
        await owner.acquire()
        await (await world.engine(owner.owner)).own([number])
    await (await world.engine("own")).own([2])

    async def dead_owners() -> dict[int, str]:
        async with pool.acquire() as conn:
            return await find_dead_owners(conn, LIVE.name, [0, 1, 2, 3], "own")

    assert await dead_owners() == {2: "own"}
    await dead.release()
    await until(lambda: _is(dead_owners, {1: "dead", 2: "own"}))
    await dead.acquire()
    assert await dead_owners() == {2: "own"}
    await alive.release()
    await dead.release()


async def test_an_owner_wrongly_taken_for_dead_owns_its_shards_again_and_is_trusted(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    other = await world.engine("silent")
    await other.own(range(64))
    async with run_watchdog(settings, world, await world.engine("watcher")) as watchdog:
        await world.append(world.new(world.captured()))
        await world.number()
        await wait_until_level(pool)
        assert await _load_owners(pool, watchdog.engine.owned_shards) == {"watcher"}
        await other.own(sorted(watchdog.engine.owned_shards))
        await world.append(world.new(world.captured(email=None)))
        await world.number()
        await until(lambda: "silent" in watchdog.trusted_until)
        assert await world.count("leads") == 1
        for shard, head in (await other.find_gaps()).items():
            await other.fill_gap(shard, head)
        await other.flush()
    assert await world.count("leads") == 2
    await assert_live_equals_rebuilt(owner_pool)


@asynccontextmanager
async def run_watchdog(settings: Settings, world: World, engine: Engine) -> AsyncIterator[Watchdog]:
    """Run a watchdog over a consumer that has not joined its group yet."""
    async with world.pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
    topic = Topics.of(settings.topic_prefix).events
    consumer = EventConsumer(settings.kafka_bootstrap_servers, topic, engine, state)
    lock = LivenessLock(settings, engine.owner)
    watchdog = Watchdog(engine, consumer, world.pool, ConsumerMetrics(LIVE, 1), lock)
    stop = asyncio.Event()
    run_processes = asyncio.create_task(watchdog.run(stop))
    try:
        yield watchdog
    finally:
        stop.set()
        await asyncio.wait_for(run_processes, 10)
        await lock.release()


async def _load_owners(pool: asyncpg.Pool, shards: frozenset[int]) -> set[str]:
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT owner FROM crm.checkpoints WHERE shard = ANY($1::smallint[])", sorted(shards)
        )
    return {row["owner"] for row in rows}


async def _is(load: Callable[[], Awaitable[object]], expected: object) -> bool:
    return await load() == expected
