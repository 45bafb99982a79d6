"""A relay and a projector that run inside a test, and when they are level with the log."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from events.bus import wire
from events.bus.publish import partitions_of
from events.bus.topics import Topics
from events.log import sequencer
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.rebuild import Rebuild
from projections.engine.refold import folding_log
from services.projector import projector
from services.relay import relay
from services.runtime.process import Checks
from services.runtime.settings import Settings
from tests.conftest import until
from tests.world import World

SILENT_MS = 800
READ_SECONDS = 20.0
Work = Callable[[Settings, asyncio.Event, Checks], Awaitable[None]]


@asynccontextmanager
async def running(settings: Settings, *works: Work) -> AsyncIterator[None]:
    """The work of these processes (relay and projector where none are named) for a block."""
    stop = asyncio.Event()
    tasks = [
        asyncio.ensure_future(work(settings, stop, {}))
        for work in works or (relay.work, projector.work)
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)


async def is_level(pool: asyncpg.Pool) -> bool:
    """Is everything numbered, and does every shard's checkpoint stand at its head?"""
    try:
        async with pool.acquire() as conn:
            if await sequencer.any_waiting(conn):
                return False
            heads = await sequencer.heads(conn)
            reached = await checkpoints.positions(conn, LIVE.name)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return all(reached.get(shard, 0) == head for shard, head in heads.items())


async def level(pool: asyncpg.Pool) -> None:
    await until(lambda: is_level(pool))


async def owners(pool: asyncpg.Pool, wanted: int) -> bool:
    """Do so many projectors own shards?"""
    found = await pool.fetchval("SELECT count(DISTINCT owner) FROM crm.checkpoints")
    return bool(found == wanted)


async def demand_the_law(pool: asyncpg.Pool) -> None:
    """Nothing parked, and live = rebuilt."""
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM crm.parked") == 0
    outcome = await Rebuild(pool, LIVE, LIVE, folding_log(pool), lambda *_: None).verify()
    assert outcome.equal, [found for found in outcome.comparisons if not found.equal]


async def talk(world: World, messages: int) -> UUID:
    """A known lead of each property chats; the events of one lead in a transaction each."""
    lead = uuid4()
    for property_id in world.properties:
        lead = uuid4()
        captured = world.captured(lead, email=None)
        await world.append(world.new(captured, property_id=property_id))
        for event in world.chat(lead, messages):
            await world.append(world.new(event, property_id=property_id))
    return lead


async def on_the_bus(settings: Settings, pool: asyncpg.Pool) -> list[int]:
    """The positions that the topic holds, in the order of each partition."""
    found, _ = await places_on_the_bus(settings, pool)
    return [position for _, position in found]


async def places_on_the_bus(
    settings: Settings, pool: asyncpg.Pool
) -> tuple[list[tuple[int, int]], int]:
    """(partition, position) of what the topic holds, in order; and how many partitions it has."""
    async with pool.acquire() as conn:
        log_id = (await sequencer.state(conn)).id
    topic, servers = events_topic(settings), settings.kafka_bootstrap_servers
    found: list[tuple[int, int]] = []
    places = [TopicPartition(topic, n) for n in range(await partitions_of(servers, topic))]
    if not places:
        return [], 0
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)
        deadline = time.monotonic() + READ_SECONDS
        while time.monotonic() < deadline:
            records = await consumer.getmany(timeout_ms=SILENT_MS, max_records=5_000)
            for page in records.values():
                found += [(r.partition, wire.arrival(r.value, log_id).position) for r in page]
            if not records and all([await _at_its_end(consumer, place) for place in places]):
                break
    except KafkaError:
        return [], 0
    finally:
        await consumer.stop()
    return found, len(places)


async def _at_its_end(consumer: AIOKafkaConsumer, place: TopicPartition) -> bool:
    """Has everything been read that the last fetch said was there?"""
    end = consumer.highwater(place)
    return end is not None and await consumer.position(place) >= end


async def whole_on_the_bus(settings: Settings, pool: asyncpg.Pool) -> bool:
    """Is every event numbered, and does the bus hold every position there is?"""
    async with pool.acquire() as conn:
        if await sequencer.any_waiting(conn):
            return False
        last = (await sequencer.state(conn)).position
    return set(await on_the_bus(settings, pool)) == set(range(1, last + 1))


async def make_topic_anew(settings: Settings, partitions: int) -> None:
    """Delete the events topic, whoever uses it, and make it again, empty."""
    topic = events_topic(settings)

    async def try_it() -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
        try:
            await admin.start()
            if topic in await admin.list_topics():
                await admin.delete_topics([topic])
            answer = await admin.create_topics([NewTopic(topic, partitions, 1)])
            return all(error == 0 for _, error, *_ in answer.topic_errors)
        except KafkaError:
            return False
        finally:
            await admin.close()

    await until(try_it)


def events_topic(settings: Settings) -> str:
    return Topics.of(settings.topic_prefix).events
