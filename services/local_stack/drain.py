"""Draining: wait until the intake has read all records, before a broker in memory stops."""

import asyncio
import re
import time
from collections.abc import Callable

import httpx2
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from events.bus.brokers import client_options
from events.bus.topics import Topics
from services.local_stack.core_process import CoreProcess
from services.runtime.settings import Settings

POLL_SECONDS = 0.2
FETCH_SECONDS = 2.0
DRAIN_SECONDS = 30.0
RESPONSE_SECONDS = 15.0
METRICS_SECONDS = 3.0
UNKNOWN_LOSS = "an unknown number of unread intake records is lost; send the latest ones again"
UNREAD = re.compile(r"^crm_intake_unread_records (\S+)$", re.MULTILINE)


def drain(intake: CoreProcess, settings: Settings, notice: Callable[[str], None]) -> None:
    """Let the intake read the unread records; start it if it does not run.

    A missing broker or intake raises nothing, so that the stack can stop: `notice` is called with
    what is lost.
    """
    try:
        if not intake.is_running:
            if not (unread := _wait(settings, 0, intake)):
                return
            notice(f"{unread} intake records are unread and no intake runs: starting it once more")
            intake.start()
        notice("draining the intake")
        if unread := _wait(settings, DRAIN_SECONDS, intake):
            notice(f"WARNING: {describe_loss(unread, intake)}")
    except (KafkaError, OSError, TimeoutError) as error:
        notice(f"WARNING: the broker does not answer ({error!r}): {UNKNOWN_LOSS}")


def describe_lost_records(intake: CoreProcess) -> str:
    """Return a warning that counts the records which a dead broker had and no intake has read.

    The intake knows how many there were when the broker answered last.
    """
    try:
        metrics = httpx2.get(f"{intake.url}/metrics", timeout=METRICS_SECONDS).text
        [count] = UNREAD.findall(metrics)
    except (httpx2.HTTPError, ValueError):
        return f"WARNING: {UNKNOWN_LOSS}"
    if float(count) == 0:
        return ""
    return f"WARNING: {describe_loss(int(float(count)), intake)}"


def describe_loss(unread: int, intake: CoreProcess) -> str:
    """Return how many records are lost, and what to do."""
    return (
        f"{unread} unread intake records are lost with the embedded broker, which keeps its data "
        f"in memory: see {intake.log}, and send them again"
    )


def _wait(settings: Settings, seconds: float, intake: CoreProcess) -> int:
    servers, topic = settings.brokers, Topics.of(settings.topic_prefix).intake
    return asyncio.run(
        wait_until_drained(servers, topic, topic, seconds, is_read=lambda: intake.is_running)
    )


async def wait_until_drained(
    bootstrap_servers: str,
    topic: str,
    group: str,
    seconds: float,
    *,
    is_read: Callable[[], bool] = lambda: True,
) -> int:
    """Wait until `group` has committed the ends of `topic`; return how many records are unread.

    Waits at most `seconds`, and only while the topic `is_read`. Raise a `KafkaError`, or
    `TimeoutError`, if the broker does not answer.
    """
    # Without a bound, some calls of the client ask a lost broker without end.
    async with asyncio.timeout(seconds + RESPONSE_SECONDS):
        return await _poll(bootstrap_servers, topic, group, seconds, is_read)


async def _poll(
    bootstrap_servers: str, topic: str, group: str, seconds: float, is_read: Callable[[], bool]
) -> int:
    deadline = time.monotonic() + seconds
    partitions = await read_partitions(bootstrap_servers, topic)
    consumer = AIOKafkaConsumer(
        **client_options(bootstrap_servers),
        group_id=group,
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
        request_timeout_ms=5_000,
    )
    try:
        await consumer.start()
        while True:
            unread = await _count_unread(consumer, partitions)
            is_waiting = unread and time.monotonic() < deadline and is_read()
            if unread is not None and not is_waiting:
                return unread
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await consumer.stop()


async def read_partitions(bootstrap_servers: str, topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic; none if it does not exist."""
    admin = AIOKafkaAdminClient(**client_options(bootstrap_servers))
    try:
        await admin.start()
        if topic not in await admin.list_topics():
            return []  # without this check, the embedded broker would create the topic
        [description] = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return [TopicPartition(topic, row["partition"]) for row in description["partitions"]]


async def _count_unread(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> int | None:
    """Return the number of unread records; None if the broker does not answer this time."""
    try:
        starts = await consumer.beginning_offsets(partitions) if partitions else {}
        committed = {
            partition: await consumer.committed(partition) or starts[partition]
            for partition in partitions
        }
        ends = await _read_ends(consumer, committed)
    except (KafkaError, TimeoutError):
        return None
    return sum(max(0, int(ends[key] - committed[key])) for key in partitions)


async def _read_ends(
    consumer: AIOKafkaConsumer, committed: dict[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return the end offsets that come with a fetch; raise `TimeoutError` without an answer.

    The embedded broker reports lower ends if it is asked for end offsets directly.
    """
    consumer.assign(list(committed))  # discards the ends of earlier fetches
    for partition, offset in committed.items():
        consumer.seek(partition, offset)
    async with asyncio.timeout(FETCH_SECONDS):
        while None in (ends := {key: consumer.highwater(key) for key in committed}).values():
            await asyncio.sleep(FETCH_SECONDS / 100)
    return ends
