"""Wait until the intake has read all that producers sent: a broker that forgets is about to end."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
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
    await consumer.start()
    try:
        partitions = await _partitions(consumer, topic)
        consumer.assign(partitions)
        while (left := await _unread(consumer, partitions)) and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        return left
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    if topic not in await consumer.topics():
        return []
    return [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]


async def _unread(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> int:
    if not partitions:
        return 0
    try:
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        read = {one: await consumer.committed(one) for one in partitions}
    except KafkaError:
        return 1  # a broker that does not answer now: ask again within the bound
    return sum(ends[one] - max(read[one] or 0, starts[one]) for one in partitions)
