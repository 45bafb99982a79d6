"""One consumer on a real broker and the watch over it: what each of their protections is for."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from events.bus import wire
from events.leads import LeadNoted
from events.log import read, sequencer
from events.log.sequencer import LogState
from projections.catalog import LIVE
from projections.engine import checkpoints, live
from projections.engine.apply import Life
from projections.engine.live import Engine
from services.projector import watchdog
from services.projector.consumer import Consumer
from services.projector.liveness import Presence
from services.projector.metrics import Figures
from services.projector.watchdog import Watch
from services.relay import relay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    demand_the_law,
    events_topic,
    is_level,
    level,
    running,
    talk,
    whole_on_the_bus,
)
from tests.races.test_takeovers import watching
from tests.world import World, make_world

pytestmark = pytest.mark.stack
LOOKED_SECONDS = 5.0
"""Far longer than the watch needs to find that a shard is quiet."""


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=4)


async def consumer_of(settings: Settings, pool: asyncpg.Pool, kind: type[Engine]) -> Consumer:
    async with pool.acquire() as conn:
        state: LogState = await sequencer.state(conn)
        await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
    engine = kind(pool, Life(LIVE, state.generation), "one")
    topic, servers = events_topic(settings), settings.kafka_bootstrap_servers
    return Consumer(servers, topic, f"{topic}.{LIVE.name}", engine, state)


@asynccontextmanager
async def watched(
    settings: Settings, consumer: Consumer, pool: asyncpg.Pool
) -> AsyncIterator[None]:
    """The consumer reads and the watch looks, for a block: a projector whose parts can be seen."""
    stop = asyncio.Event()
    presence = Presence(settings, consumer.engine.owner)
    await consumer.start()
    await until(lambda: consumer.engine.owned)
    looking = asyncio.create_task(
        Watch(consumer.engine, consumer, pool, Figures(LIVE, 8), presence).run(stop)
    )
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(looking, 60)
        await consumer.stop()
        presence.leave()


class SlowToClaim(Engine):
    """Its claim waits until records have been handed out, at most `seconds`."""

    consumer: Consumer
    seconds = 2.0
    handed_out = False

    async def claim(self, shards: Sequence[int]) -> None:
        waited_until = time.monotonic() + self.seconds
        while not self.consumer.heard and time.monotonic() < waited_until:
            await asyncio.sleep(0.01)
        self.handed_out |= bool(self.consumer.heard)
        await super().claim(shards)


@pytest.mark.parametrize("out", ["nothing", "pause"])
async def test_no_record_is_handed_out_before_its_shard_is_owned(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    out: str,
) -> None:
    """And where one is, it is read from the log again: nothing depends on the pause."""
    if out == "pause":
        monkeypatch.setattr(AIOKafkaConsumer, "pause", lambda *_: None)
        monkeypatch.setattr(SlowToClaim, "seconds", 60.0)
    else:
        monkeypatch.setattr(
            watchdog, "QUIET_SECONDS", 3_600.0
        )  # on a slow machine, nothing is healed
    await talk(world, 3)
    async with running(kafka_settings, relay.work):
        await until(lambda: whole_on_the_bus(kafka_settings, pool))
    consumer = await consumer_of(kafka_settings, pool, SlowToClaim)
    engine = consumer.engine
    assert isinstance(engine, SlowToClaim)
    engine.consumer = consumer
    async with watched(kafka_settings, consumer, pool):
        await level(pool)
    assert engine.handed_out is (out == "pause")
    assert (engine.counts.healed > 0) is (out == "pause")
    await demand_the_law(pool)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_last_record_that_never_comes_is_noticed_by_who_waits_for_nothing(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    if not protected:
        monkeypatch.setattr(Watch, "_quiet", lambda *_: [])
    consumer = await consumer_of(kafka_settings, pool, Engine)
    async with running(kafka_settings, relay.work):
        await talk(world, 1)
        await until(lambda: whole_on_the_bus(kafka_settings, pool))
    async with watched(kafka_settings, consumer, pool):
        await level(pool)
        healed = consumer.engine.counts.healed
        await talk(world, 1)
        await world.number()
        await _level_if(pool, protected)
        assert (consumer.engine.counts.healed > healed) is protected


async def test_a_hole_longer_than_a_page_is_healed_while_records_of_its_shard_keep_coming(
    settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEAL_EVENTS", 5)
    monkeypatch.setattr(watchdog, "WATCH_SECONDS", 0.05)
    world, lead = await make_world(pool), uuid4()
    await world.append(world.new(world.captured(lead)))
    engine = await world.project()
    for number in range(23):
        await world.append(world.new(LeadNoted(lead_id=lead, note=f"lost {number}")))
    async with watching(settings, world, engine) as looking:
        looking.consumer.assigned = engine.owned

        async def level_after_one_more() -> bool:
            await world.append(world.new(LeadNoted(lead_id=lead, note="came")))
            await world.number()
            await looking.consumer._on_batch([await last_record(pool)])
            await engine.settle()
            return await is_level(pool)

        await until(level_after_one_more)
        assert looking.consumer.heard
    await demand_the_law(pool)


async def last_record(pool: asyncpg.Pool) -> Any:
    """The log's last fact, as the bus brings it."""
    async with pool.acquire() as conn:
        state = await sequencer.state(conn)
        (row,) = await read.position_rows(conn, after=state.position - 1, upto=state.position)
    value = wire.record_of(row, state.id, state.generation).value
    return SimpleNamespace(topic="events", partition=0, offset=state.position, value=value)


class ClaimsOnce(Engine):
    """Does not come back to what it was fenced from."""

    claimed = False

    async def claim(self, shards: Sequence[int]) -> None:
        if not self.claimed:
            await super().claim(shards)
        self.claimed = True


@pytest.mark.parametrize("protected", [True, False])
async def test_a_consumer_that_was_fenced_owns_its_shards_again(
    kafka_settings: Settings, pool: asyncpg.Pool, world: World, protected: bool
) -> None:
    """As after a retry of parked events, or a database that was away in the middle of a batch."""
    consumer = await consumer_of(kafka_settings, pool, Engine if protected else ClaimsOnce)
    async with running(kafka_settings, relay.work), watched(kafka_settings, consumer, pool):
        await talk(world, 1)
        await level(pool)
        async with pool.acquire() as conn:
            await checkpoints.claim(
                conn, LIVE.name, LIVE.version, consumer.engine.life.generation, range(64), "other"
            )
        await talk(world, 1)
        await _level_if(pool, protected)
        assert (consumer.engine.owned == consumer.assigned) is protected


@pytest.mark.parametrize("protected", [True, False])
async def test_a_consumer_that_fell_silent_is_started_anew(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    """Clients are known to hang so after a broker's restart; the log heals, but slowly."""
    monkeypatch.setattr(watchdog, "STALLED_SECONDS", 1.0)
    if not protected:
        monkeypatch.setattr(Watch, "_restart_if_stalled", _looks_away)
    consumer = await consumer_of(kafka_settings, pool, Engine)
    async with running(kafka_settings, relay.work), watched(kafka_settings, consumer, pool):
        await talk(world, 1)
        await level(pool)
        silent = consumer.kafka
        silent.pause(*silent.assignment())
        await talk(world, 1)
        await level(pool)
        if protected:
            await until(lambda: consumer.kafka not in (None, silent))
            await until(lambda: consumer.assigned)
        consumer.heard.clear()
        await talk(world, 1)
        if protected:
            await until(lambda: consumer.heard)
        await level(pool)
        assert bool(consumer.heard) is protected


async def _looks_away(*_: Any) -> None: ...


async def _level_if(pool: asyncpg.Pool, protected: bool) -> None:
    """Level, and the law holds; or it does not get there, and the watch has long looked."""
    if protected:
        await level(pool)
        await demand_the_law(pool)
        return
    with pytest.raises(AssertionError, match="not within"):
        await until(lambda: is_level(pool), LOOKED_SECONDS)
