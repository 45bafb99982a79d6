"""The run of a follower: its servers, its checkpoints and its Kafka client."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from events.bus.brokers import client_options
from events.bus.group_leave import leave_first_generations
from events.bus.header_names import tolerate_header_names
from events.bus.topic_creation import partitions_of
from events.bus.topics import Topics
from events.log import sequencer
from projections.engine import checkpoints
from services.event_follower.follower import Follower
from services.event_follower.subscription import Subscription, create_checkpoints
from services.event_follower.writer import EventWriter, WriteLines
from services.runtime.database import pooled
from services.runtime.key_store import prepare_key_store, require_applied_erasures
from services.runtime.reachability import DATABASE, KAFKA, UnreachableServer, require_servers
from services.runtime.settings import Settings

POOL_SIZE = 3


async def follow(
    settings: Settings, subscription: Subscription, write: WriteLines, stop: asyncio.Event, *,
    from_head: bool, once: bool,
) -> int:  # fmt: skip
    """Write the events of a subscription until stopped; return the number of refused records.

    Raise `UnreachableServer`, and what `Follower.run` raises. `from_head` counts only if the
    subscription is new: otherwise it continues where it was.
    """
    await require_servers(settings, (DATABASE, KAFKA))
    await prepare_key_store(settings)
    await require_applied_erasures(settings)
    topic = Topics.of(settings.topic_prefix).events
    async with pooled(settings, "crm events", size=POOL_SIZE) as pool:
        async with pool.acquire() as conn, conn.transaction():
            state = await sequencer.read_log_state(conn)
            await create_checkpoints(conn, subscription, state.generation, at_head=from_head)
        writer = EventWriter(pool, subscription, state, write)
        await writer.own(f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")
        follower = Follower(pool, writer, topic, state)
        async with _open_consumer(settings, topic, subscription) as consumer:
            await follower.run(consumer, stop, once=once)
    return follower.refused


async def forget(settings: Settings, subscription: Subscription) -> None:
    """Delete the position of a subscription: it begins again as a new one."""
    async with pooled(settings, "crm events", size=1) as pool, pool.acquire() as conn:
        await checkpoints.delete(conn, subscription.group)


@asynccontextmanager
async def _open_consumer(
    settings: Settings, topic: str, subscription: Subscription
) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer of all partitions. It joins no group: the checkpoints name the owner."""
    count = await partitions_of(settings.brokers, topic)
    if not count:
        raise UnreachableServer(f"the broker has no topic {topic} yet: start the relay")
    tolerate_header_names()
    leave_first_generations()
    consumer = AIOKafkaConsumer(
        **client_options(settings.brokers), group_id=f"{topic}.{subscription.group}",
        enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50,
        max_partition_fetch_bytes=1024 * 1024, isolation_level="read_uncommitted",
    )  # fmt: skip
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(count)])
        yield consumer
    finally:
        await consumer.stop()
