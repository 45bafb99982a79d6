"""Wait until the intake has read all that producers sent: a broker that forgets is about to end."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

POLL_SECONDS = 0.2
FETCH_SECONDS = 2.0


async def drained(bootstrap_servers: str, topic: str, group: str, seconds: float) -> int:
    """Wait, at most `seconds`, until `group` has committed the ends of `topic`.

    Returns how many records were still unread then (0: drained).
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
        request_timeout_ms=5_000,
    )
    deadline = time.monotonic() + seconds
    partitions = await partitions_of(bootstrap_servers, topic)
    await consumer.start()
    try:
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
    try:
        starts = await consumer.beginning_offsets(partitions) if partitions else {}
        read = {one: await consumer.committed(one) or starts[one] for one in partitions}
        ends = await _ends(consumer, read)
    except (KafkaError, TimeoutError):
        return 1  # a broker that does not answer now: ask again within the bound
    return sum(max(0, ends[one] - read[one]) for one in partitions)


async def _ends(
    consumer: AIOKafkaConsumer, read: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The ends that come with a fetch: asked for them alone, the embedded broker tells less.

    Raises `TimeoutError` where no fetch is answered.
    """
    consumer.assign(list(read))  # forgets the ends of the fetches before
    for one, offset in read.items():
        consumer.seek(one, offset)
    async with asyncio.timeout(FETCH_SECONDS):
        while None in (ends := {one: consumer.highwater(one) for one in read}).values():
            await asyncio.sleep(FETCH_SECONDS / 100)
    return ends
