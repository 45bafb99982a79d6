"""One consumer on a real broker with its watchdog: each protection, and what happens without."""

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
from events.bus.digest import RecordDigest
from events.bus.wire import ReceivedRecord
from events.leads import LeadNoted
from events.log import read, sequencer
from events.log.sequencer import LogState
from projections.catalog import LIVE
from projections.engine import checkpoints, live
from projections.engine.batch import WriterIdentity
from projections.engine.live import Engine
from projections.engine.projection_pipeline import ProjectionPipeline
from services.event_consumer import watchdog
from services.event_consumer.consumer import EventConsumer
from services.event_consumer.liveness import LivenessLock
from services.event_consumer.metrics import ConsumerMetrics
from services.event_consumer.watchdog import Watchdog
from services.relay import relay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    events_topic,
    is_bus_complete,
    is_level,
    run_processes,
    wait_until_level,
)
from tests.races.test_takeovers import run_watchdog
from tests.world import World, make_world

pytestmark = pytest.mark.stack
NOTICED_SECONDS = 5.0
"""Far longer than the watchdog needs to notice a quiet shard."""


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=4)


async def make_consumer(
    settings: Settings, pool: asyncpg.Pool, engine_class: type[Engine]
) -> EventConsumer:
    async with pool.acquire() as conn:
        state: LogState = await sequencer.read_log_state(conn)
        await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
    engine = engine_class(ProjectionPipeline(pool, WriterIdentity(LIVE, state.generation)), "one")
    topic, servers = events_topic(settings), settings.kafka_bootstrap_servers
    return EventConsumer(servers, topic, engine, state)


@asynccontextmanager
async def run_projector(
    settings: Settings, consumer: EventConsumer, pool: asyncpg.Pool
) -> AsyncIterator[None]:
    """Run a consumer and its watchdog during a block: a projector with accessible parts."""
    stop = asyncio.Event()
    lock = LivenessLock(settings, consumer.engine.owner)
    await consumer.start()
    await until(lambda: consumer.engine.owned_shards)
    watching = asyncio.create_task(
        Watchdog(consumer.engine, consumer, pool, ConsumerMetrics(LIVE, 8), lock).run(stop)
    )
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(watching, 60)
        await consumer.stop()
        await lock.release()


class SlowEngine(Engine):
    """An engine whose claim waits until records were delivered, at most `seconds`."""

    consumer: EventConsumer
    seconds = 2.0
    delivered = False

    async def own(self, shards: Sequence[int]) -> None:
        deadline = time.monotonic() + self.seconds
        while not self.consumer.received_at and time.monotonic() < deadline:
            await asyncio.sleep(0.01)  # a poll with a limit: the consumer has no event to wait for
        self.delivered |= bool(self.consumer.received_at)
        await super().own(shards)


@pytest.mark.parametrize("removed", ["nothing", "pause"])
async def test_no_record_is_delivered_before_its_shard_is_owned(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    removed: str,
) -> None:
    """Without the pause, early records are read from the log again: no row depends on it."""
    if removed == "pause":
        monkeypatch.setattr(AIOKafkaConsumer, "pause", lambda *_: None)
        monkeypatch.setattr(SlowEngine, "seconds", 60.0)
    else:
        monkeypatch.setattr(
            watchdog, "QUIET_SECONDS", 3_600.0
        )  # no gap is filled on a slow machine
    await append_chats(world, 3)
    async with run_processes(kafka_settings, relay.work):
        await until(lambda: is_bus_complete(kafka_settings, pool))
    consumer = await make_consumer(kafka_settings, pool, SlowEngine)
    engine = consumer.engine
    assert isinstance(engine, SlowEngine)
    engine.consumer = consumer
    async with run_projector(kafka_settings, consumer, pool):
        await wait_until_level(pool)
    assert engine.delivered is (removed == "pause")
    assert (engine.counts.filled > 0) is (removed == "pause")
    await assert_live_equals_rebuilt(owner_pool)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_lost_last_record_is_noticed_without_a_later_record(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    if not protected:
        monkeypatch.setattr(Watchdog, "_quiet", lambda *_: [])
    consumer = await make_consumer(kafka_settings, pool, Engine)
    async with run_processes(kafka_settings, relay.work):
        await append_chats(world, 1)
        await until(lambda: is_bus_complete(kafka_settings, pool))
    async with run_projector(kafka_settings, consumer, pool):
        await wait_until_level(pool)
        filled = consumer.engine.counts.filled
        await append_chats(world, 1)
        await world.number()
        await _check_level_if(pool, owner_pool, protected)
        assert (consumer.engine.counts.filled > filled) is protected


async def test_a_gap_longer_than_a_page_is_filled_while_records_of_its_shard_arrive(
    settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "FILL_EVENTS", 5)
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.05)
    world, lead = await make_world(pool), uuid4()
    await world.append(world.new(world.captured(lead)))
    engine = await world.project()
    for number in range(23):
        await world.append(world.new(LeadNoted(lead_id=lead, note=f"lost {number}")))
    async with run_watchdog(settings, world, engine) as watchdog_:
        watchdog_.consumer.assigned = engine.owned_shards

        async def is_level_after_another() -> bool:
            await world.append(world.new(LeadNoted(lead_id=lead, note="arrived")))
            await world.number()
            await watchdog_.consumer._on_batch([await last_record(pool, events_topic(settings))])
            await engine.flush()
            return await is_level(pool)

        await until(is_level_after_another)
        assert watchdog_.consumer.received_at
    await assert_live_equals_rebuilt(owner_pool)


async def last_record(pool: asyncpg.Pool, topic: str) -> Any:
    """Return the last event of the log as a Kafka record of the relay."""
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        (row,) = await read.position_rows(conn, after=state.position - 1, upto=state.position)
        digest = await RecordDigest.load(conn, topic, state.id)
    key, value, headers = digest.sign(wire.record_of(row, state.id, state.generation))
    return SimpleNamespace(
        topic=topic, partition=0, offset=state.position, key=key, value=value, headers=headers
    )


class OneClaimEngine(Engine):
    """An engine that does not own shards again after it was fenced."""

    claimed = False

    async def own(self, shards: Sequence[int]) -> None:
        if not self.claimed:
            await super().own(shards)
        self.claimed = True


@pytest.mark.parametrize("protected", [True, False])
async def test_a_fenced_consumer_owns_its_shards_again(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    world: World,
    protected: bool,
) -> None:
    """It happens after a retry of parked events, or a lost connection in the middle of a batch."""
    consumer = await make_consumer(kafka_settings, pool, Engine if protected else OneClaimEngine)
    async with (
        run_processes(kafka_settings, relay.work),
        run_projector(kafka_settings, consumer, pool),
    ):
        await append_chats(world, 1)
        await wait_until_level(pool)
        async with pool.acquire() as conn:
            await checkpoints.own(
                conn,
                LIVE.name,
                LIVE.version,
                consumer.engine.generation,
                range(64),
                "other",
            )
        await append_chats(world, 1)
        await _check_level_if(pool, owner_pool, protected)
        assert (consumer.engine.owned_shards == consumer.assigned) is protected


@pytest.mark.parametrize("protected", [True, False])
async def test_a_stalled_consumer_is_started_again(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    """Some clients hang after a restart of the broker; the log fills the tables, but slowly."""
    monkeypatch.setattr(watchdog, "STALLED_SECONDS", 1.0)
    if not protected:
        monkeypatch.setattr(Watchdog, "_restart_if_stalled", _do_not_restart)
    consumer = await make_consumer(kafka_settings, pool, Engine)
    async with (
        run_processes(kafka_settings, relay.work),
        run_projector(kafka_settings, consumer, pool),
    ):
        await append_chats(world, 1)
        await wait_until_level(pool)
        stalled = consumer.kafka
        stalled.pause(*stalled.assignment())
        await append_chats(world, 1)
        await wait_until_level(pool)
        if protected:
            await until(lambda: consumer.kafka not in (None, stalled))
            await until(lambda: consumer.assigned)
        consumer.received_at.clear()
        await append_chats(world, 1)
        if protected:
            await until(lambda: consumer.received_at)
        await wait_until_level(pool)
        assert bool(consumer.received_at) is protected


class BusyEngine(Engine):
    """An engine that applies a batch until the test lets it end."""

    may_end: asyncio.Event

    async def apply(self, records: Sequence[ReceivedRecord]) -> None:
        async with self._lock:
            await asyncio.wait_for(self.may_end.wait(), 120)
        await super().apply(records)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_consumer_is_not_started_again_while_its_engine_works(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    protected: bool,
) -> None:
    """Policies can need long for a batch; another start would only make it longer."""
    monkeypatch.setattr(watchdog, "STALLED_SECONDS", 1.0)
    if not protected:
        monkeypatch.setattr(Engine, "is_busy", False)
    consumer = await make_consumer(kafka_settings, pool, BusyEngine)
    engine = consumer.engine
    assert isinstance(engine, BusyEngine)
    engine.may_end = asyncio.Event()
    async with (
        run_processes(kafka_settings, relay.work),
        run_projector(kafka_settings, consumer, pool),
    ):
        await append_chats(world, 1)
        await until(lambda: engine._lock.locked())
        client = consumer.kafka
        await append_chats(world, 1)
        began = time.monotonic()
        await until(lambda: consumer.kafka is not client or time.monotonic() > began + 5)
        assert (consumer.kafka is client) is protected
        engine.may_end.set()
        await wait_until_level(pool)


async def _do_not_restart(*_: Any) -> None: ...


async def _check_level_if(pool: asyncpg.Pool, owner_pool: asyncpg.Pool, protected: bool) -> None:
    """Check that the tables become equal to the log if protected, and stay behind otherwise."""
    if protected:
        await wait_until_level(pool)
        await assert_live_equals_rebuilt(owner_pool)
        return
    with pytest.raises(AssertionError, match="not true within"):
        await until(lambda: is_level(pool), NOTICED_SECONDS)
