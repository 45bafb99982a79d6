"""Sleeping processes: an append wakes them, and a lost announcement costs only the safety time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from events.log import sequencer
from events.log.announcements import ANNOUNCE, APPENDED, PUBLISHED
from events.log.append import append
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.batch import WriterIdentity
from projections.engine.live import Engine
from projections.engine.projection_pipeline import ProjectionPipeline
from services.event_consumer.consumer import EventConsumer
from services.relay import relay
from services.relay.relay import Relay
from services.runtime.database import connect
from services.runtime.event_signal import AWAKE_SECONDS, EventSignal
from services.runtime.settings import Settings
from services.runtime.tasks import run_until_first_ends
from tests.conftest import until
from tests.races.processes import append_chats, events_topic, is_level, run_processes
from tests.world import World, make_world

pytestmark = pytest.mark.stack
NEVER = 3_600.0
ROUNDS = 3
ANOTHER_CHANNEL = ("crm_other",)


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=4)


@pytest.fixture
def listening_settings(kafka_settings: Settings, direct_settings: Settings) -> Settings:
    """Return settings with an address for listening, also behind a pooler."""
    return kafka_settings.model_copy(update={"database_direct_url": direct_settings.database_url})


@asynccontextmanager
async def run_relay(settings: Settings, signal: EventSignal) -> AsyncIterator[Relay]:
    process, stop = Relay(settings, "one", signal), asyncio.Event()
    work = run_until_first_ends(process.run(stop), signal.listen(settings))
    task = asyncio.create_task(work)
    try:
        await until(lambda: process.active)
        yield process
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


@asynccontextmanager
async def run_consumer(
    settings: Settings, pool: asyncpg.Pool, signal: EventSignal
) -> AsyncIterator[EventConsumer]:
    """Run a consumer without its watchdog, which would fill a gap from the log."""
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
    engine = Engine(ProjectionPipeline(pool, WriterIdentity(LIVE, state.generation)), "one")
    topic, servers = events_topic(settings), settings.kafka_bootstrap_servers
    consumer = EventConsumer(servers, topic, engine, state, signal=signal)
    listening = asyncio.create_task(signal.listen(settings))
    await consumer.start()
    try:
        await until(lambda: engine.owned_shards)
        yield consumer
    finally:
        await consumer.stop()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def sleep_deeply(*signals: EventSignal) -> None:
    """Wait until these processes listen, and nothing keeps them awake."""
    await until(lambda: all(signal.is_listening and not signal.is_awake for signal in signals))
    # One more look, in which a loop finds nothing, ends before it sleeps; no loop reports it.
    await asyncio.sleep(0.1)


async def is_applied(pool: asyncpg.Pool, consumer: EventConsumer) -> bool:
    await consumer.engine.flush()
    return await is_level(pool)


async def append_while_asleep(world: World, consumer: EventConsumer, *signals: EventSignal) -> None:
    """Append when all processes sleep; wait until the tables contain the events."""
    await until(lambda: is_applied(world.pool, consumer))
    await sleep_deeply(*signals)
    await append_chats(world, 1)
    await until(lambda: is_applied(world.pool, consumer))


async def test_an_append_wakes_a_sleeping_relay_and_a_sleeping_consumer(
    listening_settings: Settings, pool: asyncpg.Pool, world: World
) -> None:
    """Their safety time is an hour."""
    relaying, consuming = EventSignal(safety_seconds=NEVER), EventSignal(safety_seconds=NEVER)
    async with (
        run_relay(listening_settings, relaying),
        run_consumer(listening_settings, pool, consuming) as consumer,
    ):
        for _ in range(ROUNDS):
            await append_while_asleep(world, consumer, relaying, consuming)


async def test_a_publication_wakes_a_consumer_that_missed_the_append(
    listening_settings: Settings, pool: asyncpg.Pool, world: World
) -> None:
    """The relay finds the event at its safety time; the consumer's is an hour."""
    relaying = EventSignal(ANOTHER_CHANNEL, safety_seconds=0.2)
    consuming = EventSignal((PUBLISHED,), safety_seconds=NEVER)
    async with (
        run_relay(listening_settings, relaying),
        run_consumer(listening_settings, pool, consuming) as consumer,
    ):
        await append_while_asleep(world, consumer, relaying, consuming)


async def test_without_announcements_the_safety_poll_delivers(
    listening_settings: Settings, pool: asyncpg.Pool, world: World
) -> None:
    """Both listen to a channel on which nothing is ever announced."""
    relaying = EventSignal(ANOTHER_CHANNEL, safety_seconds=0.2)
    consuming = EventSignal(ANOTHER_CHANNEL, safety_seconds=0.2)
    async with (
        run_relay(listening_settings, relaying),
        run_consumer(listening_settings, pool, consuming) as consumer,
    ):
        for _ in range(ROUNDS):
            await append_while_asleep(world, consumer, relaying, consuming)


async def test_the_safety_time_of_the_setting_holds_for_the_relay_process(
    listening_settings: Settings,
    direct_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    world: World,
) -> None:
    """A connection outside of a pool announces nothing."""
    settings = listening_settings.model_copy(update={"safety_poll_seconds": 600})
    async with run_processes(settings, relay.work):
        await until(lambda: is_numbered(pool))
        await until(lambda: is_relay_asleep(owner_pool))
        conn = await connect(direct_settings, "test append")
        async with conn.transaction():
            await append(conn, [world.new(world.captured(uuid4()))], expected={})
        await conn.close()
        # A relay that ignores the setting would look in the default time, a second.
        await asyncio.sleep(2.5)
        assert not await is_numbered(pool)
        await pool.execute(ANNOUNCE, APPENDED)
        await until(lambda: is_numbered(pool))


async def is_relay_asleep(owner_pool: asyncpg.Pool) -> bool:
    """Return whether the relay has asked nothing for longer than it stays awake."""
    is_asleep: bool = await owner_pool.fetchval(
        "SELECT bool_and(state_change < clock_timestamp() - make_interval(secs => $1)) "
        "FROM pg_stat_activity "
        "WHERE application_name = 'crm relay' AND datname = current_database()",
        2 * AWAKE_SECONDS,
    )
    return is_asleep


async def is_numbered(pool: asyncpg.Pool) -> bool:
    async with pool.acquire() as conn:
        return not await sequencer.has_unnumbered_rows(conn)
