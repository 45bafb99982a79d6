"""Relay and projector inside a test, and conditions on the tables, the log and the bus."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from events.bus import wire
from events.bus.topic_creation import partitions_of
from events.bus.topics import Topics
from events.log import sequencer
from events.log.connection import Connection
from events.log.staged_changes import has_ready_changes
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.rebuild import Rebuild
from projections.engine.shadow_fold import make_log_fold
from services.projector import projector
from services.relay import relay
from services.runtime.clock import Clock
from services.runtime.process import ProcessFunction
from services.runtime.settings import Settings
from tests.conftest import until
from tests.world import World

QUIET_MS = 20
"""Wait for more records behind the reported end: the embedded broker can report it too early."""
READ_SECONDS = 20.0


@asynccontextmanager
async def run_processes(settings: Settings, *works: ProcessFunction) -> AsyncIterator[None]:
    """Run these processes during a block; without names, relay and projector."""
    stop = asyncio.Event()
    tasks = [
        asyncio.ensure_future(work(settings, stop, {}, Clock()))
        for work in works or (relay.work, projector.work)
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)


async def is_level(pool: asyncpg.Pool) -> bool:
    """Return whether every event has a position and every checkpoint is at its shard head."""
    try:
        async with pool.acquire() as conn:
            if await _is_behind(conn):
                return False
            heads = await sequencer.read_shard_heads(conn)
            positions_by_shard = await checkpoints.positions(conn, LIVE.name)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return all(positions_by_shard.get(shard, 0) == head for shard, head in heads.items())


async def _is_behind(conn: Connection) -> bool:
    """Return whether a write of the host is not in the log, or an event has no position."""
    return await has_ready_changes(conn) or await sequencer.has_unnumbered_rows(conn)


async def wait_until_level(pool: asyncpg.Pool) -> None:
    await until(lambda: is_level(pool))


async def is_owned_by(pool: asyncpg.Pool, projectors: int) -> bool:
    """Return whether exactly so many projectors own shards."""
    owners = await pool.fetchval("SELECT count(DISTINCT owner) FROM crm.checkpoints")
    return bool(owners == projectors)


async def assert_live_equals_rebuilt(pool: asyncpg.Pool) -> None:
    """Check that no event is parked and that the live tables equal rebuilt ones."""
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM crm.parked") == 0
    outcome = await Rebuild(pool, LIVE, LIVE, make_log_fold(pool), lambda *_: None).verify()
    assert outcome.equal, [found for found in outcome.comparisons if not found.equal]


async def append_chats(world: World, messages: int) -> UUID:
    """Append a lead and its chat to each property, one transaction per event; return a lead id."""
    lead = uuid4()
    for property_id in world.properties:
        lead = uuid4()
        captured = world.captured(lead, email=None)
        await world.append(world.new(captured, property_id=property_id))
        for event in world.chat(lead, messages):
            await world.append(world.new(event, property_id=property_id))
    return lead


async def load_bus_positions(settings: Settings, pool: asyncpg.Pool) -> list[int]:
    """Return the positions in the topic, in the order of each partition."""
    records, _ = await load_bus_records(settings, pool)
    return [position for _, position in records]


async def load_bus_records(
    settings: Settings, pool: asyncpg.Pool
) -> tuple[list[tuple[int, int]], int]:
    """Return the records of the topic as (partition, position), and its number of partitions."""
    async with pool.acquire() as conn:
        log_id = (await sequencer.read_log_state(conn)).id
    records, count = await load_records(settings, events_topic(settings))
    return [(r.partition, wire.read_record(r.value, log_id).position) for r in records], count


async def load_records(settings: Settings, topic: str) -> tuple[list[ConsumerRecord], int]:
    """Return the records of a topic and its number of partitions; none while it has faults."""
    servers = settings.kafka_bootstrap_servers
    partitions = [TopicPartition(topic, n) for n in range(await partitions_of(servers, topic))]
    if not partitions:
        return [], 0
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, enable_auto_commit=False, fetch_max_wait_ms=5
    )
    records: list[ConsumerRecord] = []
    try:
        await consumer.start()
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        ends = await consumer.end_offsets(partitions)
        deadline = time.monotonic() + READ_SECONDS
        while time.monotonic() < deadline:
            pages = await consumer.getmany(timeout_ms=QUIET_MS, max_records=5_000)
            for page in pages.values():
                records += page
            if not pages and all([await consumer.position(p) >= ends[p] for p in partitions]):
                break
    except KafkaError:
        return [], 0
    finally:
        await consumer.stop()
    return records, len(partitions)


async def is_bus_complete(settings: Settings, pool: asyncpg.Pool) -> bool:
    """Return whether every event has a position and the bus has every position."""
    async with pool.acquire() as conn:
        if await _is_behind(conn):
            return False
        last = (await sequencer.read_log_state(conn)).position
    return set(await load_bus_positions(settings, pool)) == set(range(1, last + 1))


async def recreate_topic(settings: Settings, partition_count: int) -> None:
    """Delete the events topic, also while it is used, and create it again, empty."""
    topic = events_topic(settings)

    async def is_recreated() -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
        try:
            await admin.start()
            if topic in await admin.list_topics():
                await admin.delete_topics([topic])
            answer = await admin.create_topics([NewTopic(topic, partition_count, 1)])
            return all(error == 0 for _, error, *_ in answer.topic_errors)
        except KafkaError:
            return False
        finally:
            await admin.close()

    await until(is_recreated)


def events_topic(settings: Settings) -> str:
    return Topics.of(settings.topic_prefix).events
