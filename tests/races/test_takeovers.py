"""A projector that is killed: others go on with its shards long before its group notices."""

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
from services.local_stack.child_process import kill
from services.projector.consumer import Consumer
from services.projector.liveness import Presence, deserted
from services.projector.metrics import Figures
from services.projector.watchdog import Watch
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.killing import at_work
from tests.races.processes import demand_the_law, level, owners, talk
from tests.world import World, make_world

pytestmark = pytest.mark.stack

SESSION_SECONDS = 18
"""Shorter than a start may take, and three times a projector's own, for slow machines."""


@pytest.mark.parametrize("replaced", [False, True], ids=["alone", "replaced"])
async def test_shards_of_a_killed_projector_go_on_before_its_session_ends(
    kafka_settings: Settings, pool: asyncpg.Pool, tmp_path: Path, replaced: bool
) -> None:
    world = await make_world(pool, properties=12)
    async with at_work(kafka_settings, tmp_path, SESSION_SECONDS * 1_000) as workers:
        await until(lambda: owners(pool, 2))
        await talk(world, 1)
        await level(pool)
        await asyncio.to_thread(kill, workers.pids[1])
        if replaced:
            workers.pids[1] = workers.start("projector")
        began = time.monotonic()
        await talk(world, 1)
        await level(pool)
        took = time.monotonic() - began
        assert took < SESSION_SECONDS
        await talk(world, 1)
        await level(pool)
    await demand_the_law(pool)


async def test_only_who_is_gone_has_deserted_its_shards(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    there, gone = Presence(settings, "there"), Presence(settings, "gone")
    for number, owner in enumerate((there, gone)):
        await owner.hold()
        await owner.hold()
        await (await world.engine(owner.owner)).claim([number])
    await (await world.engine("me")).claim([2])

    async def found() -> dict[int, str]:
        async with pool.acquire() as conn:
            return await deserted(conn, LIVE.name, [0, 1, 2, 3], "me")

    assert await found() == {2: "me"}
    gone.leave()
    await until(lambda: _is(found, {1: "gone", 2: "me"}))
    await gone.hold()
    assert await found() == {2: "me"}
    there.leave()
    gone.leave()


async def test_who_was_wrongly_taken_for_dead_claims_back_and_is_spared(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    other = await world.engine("silent")
    await other.claim(range(64))
    async with watching(settings, world, await world.engine("watcher")) as watch:
        await world.append(world.new(world.captured()))
        await world.number()
        await level(pool)
        assert await _owner(pool, watch.engine.owned) == {"watcher"}
        await other.claim(sorted(watch.engine.owned))
        await world.append(world.new(world.captured(email=None)))
        await world.number()
        await until(lambda: "silent" in watch.spared)
        assert await world.count("leads") == 1
        for shard, head in (await other.behind()).items():
            await other.fill_gap(shard, head)
        await other.settle()
    assert await world.count("leads") == 2
    await demand_the_law(pool)


@asynccontextmanager
async def watching(settings: Settings, world: World, engine: Engine) -> AsyncIterator[Watch]:
    """A watch over a consumer that has not joined its group yet."""
    async with world.pool.acquire() as conn:
        state = await sequencer.state(conn)
    topic = Topics.of(settings.topic_prefix).events
    consumer = Consumer(settings.kafka_bootstrap_servers, topic, "g", engine, state)
    presence = Presence(settings, engine.owner)
    watch = Watch(engine, consumer, world.pool, Figures(LIVE, 1), presence)
    stop = asyncio.Event()
    running = asyncio.create_task(watch.run(stop))
    try:
        yield watch
    finally:
        stop.set()
        await asyncio.wait_for(running, 10)
        presence.leave()


async def _owner(pool: asyncpg.Pool, shards: frozenset[int]) -> set[str]:
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT owner FROM crm.checkpoints WHERE shard = ANY($1::smallint[])", sorted(shards)
        )
    return {row["owner"] for row in rows}


async def _is(ask: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await ask() == wanted
