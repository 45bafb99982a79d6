"""Wait until the intake has read all that producers sent: a broker that forgets is about to end."""

import asyncio
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from events.bus.topics import Topics
from services.local_stack.children import Child
from services.runtime.settings import Settings

POLL_SECONDS = 0.2
FETCH_SECONDS = 2.0
DRAIN_SECONDS = 30.0
ANSWER_SECONDS = 15.0


def drain(intake: Child, settings: Settings, notice: Callable[[str], None]) -> None:
    """Have the intake take in what is unread, starting it where it does not run.

    Never raises for a broker or an intake that is gone: it says what is lost, and the end goes on.
    """
    try:
        if not intake.runs:
            if not (left := _left(settings, 0, intake)):
                return
            notice(f"{left} intake records are unread and no intake runs: starting it once more")
            intake.start()
        notice("draining the intake")
        if left := _left(settings, DRAIN_SECONDS, intake):
            notice(
                f"WARNING: {left} intake records are unread and lost with the embedded broker, "
                f"which keeps nothing: see {intake.log}, and send them again"
            )
    except (KafkaError, OSError, TimeoutError) as error:
        notice(
            f"WARNING: the broker does not answer ({error!r}): intake records that were unread "
            "are lost, how many is not known; send again what was sent last"
        )


def _left(settings: Settings, seconds: float, intake: Child) -> int:
    servers, topic = settings.kafka_bootstrap_servers, Topics.of(settings.topic_prefix).intake
    return asyncio.run(drained(servers, topic, topic, seconds, reads=lambda: intake.runs))


async def drained(
    bootstrap_servers: str,
    topic: str,
    group: str,
    seconds: float,
    *,
    reads: Callable[[], bool] = lambda: True,
) -> int:
    """Wait, at most `seconds` and while somebody `reads`, until `group` has committed the ends.

    Returns how many records of `topic` were still unread then (0: drained). Raises what the
    client does where the broker is gone, or `TimeoutError`.
    """
    async with asyncio.timeout(seconds + ANSWER_SECONDS):  # some calls ask a lost broker for ever
        return await _drained(bootstrap_servers, topic, group, seconds, reads)


async def _drained(
    bootstrap_servers: str, topic: str, group: str, seconds: float, reads: Callable[[], bool]
) -> int:
    deadline = time.monotonic() + seconds
    partitions = await partitions_of(bootstrap_servers, topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
        request_timeout_ms=5_000,
    )
    try:
        await consumer.start()
        while True:
            left = await _unread(consumer, partitions)
            waits = left and time.monotonic() < deadline and reads()
            if left is not None and not waits:
                return left
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await consumer.stop()


async def partitions_of(bootstrap_servers: str, topic: str) -> list[TopicPartition]:
    """The topic's partitions; none where there is no such topic, and none is made by asking."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        await admin.start()
        if topic not in await admin.list_topics():  # the embedded broker makes what is described
            return []
        [described] = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return [TopicPartition(topic, one["partition"]) for one in described["partitions"]]


async def _unread(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> int | None:
    """How many records; None where the broker does not answer now: ask again."""
    try:
        starts = await consumer.beginning_offsets(partitions) if partitions else {}
        read = {one: await consumer.committed(one) or starts[one] for one in partitions}
        ends = await _ends(consumer, read)
    except (KafkaError, TimeoutError):
        return None
    left = [max(0, ends[one] - read[one]) for one in partitions]
    return int(sum(left))


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
