"""Wait until the intake has read all that producers sent: a broker that forgets is about to end."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

POLL_SECONDS = 0.2


async def drained(bootstrap_servers: str, topic: str, group: str, seconds: float) -> int:
    """Wait, at most `seconds`, until `group` has committed the ends of `topic`.

    Returns how many records were still unread then (0: drained).
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        request_timeout_ms=5_000,
    )
    deadline = time.monotonic() + seconds
    partitions = await partitions_of(bootstrap_servers, topic)
    await consumer.start()
    try:
        consumer.assign(partitions)
        while (left := await _unread(consumer, partitions)) and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        return left
    finally:
        await consumer.stop()


async def partitions_of(bootstrap_servers: str, topic: str) -> list[TopicPartition]:
    """The topic's partitions; none where there is no such topic, and none is made by asking."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        if topic not in await admin.list_topics():  # the embedded broker makes what is described
            return []
        [described] = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return [TopicPartition(topic, one["partition"]) for one in described["partitions"]]


async def _unread(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> int:
    if not partitions:
        return 0
    try:
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        read = {one: await consumer.committed(one) for one in partitions}
    except KafkaError:
        return 1  # a broker that does not answer now: ask again within the bound
    # The embedded broker's end is that of its last batch's first record: one may have read past it.
    return sum(max(0, ends[one] - max(read[one] or 0, starts[one])) for one in partitions)
