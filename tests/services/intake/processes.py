"""An intake that runs inside a test, and producers that send records to it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from events.bus.topics import Topics
from services.intake import intake
from services.runtime.clock import Clock
from services.runtime.health import collect_problems
from services.runtime.process import Checks
from services.runtime.settings import Settings
from tests.conftest import until

Raw = tuple[bytes | None, list[tuple[str, bytes | None]]]


@asynccontextmanager
async def run_intake(settings: Settings) -> AsyncIterator[asyncio.Event]:
    """Run the intake during a block; yield the event that stops it."""
    stop, checks = asyncio.Event(), Checks()
    task = asyncio.create_task(intake.work(settings, stop, checks, Clock()))

    async def is_ready() -> bool:
        if task.done():
            task.result()
        return "intake" in checks and not await collect_problems(checks)

    try:
        await until(is_ready)
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def send(
    settings: Settings, records: Iterable[Raw], *, key: bytes | None = None, **options: Any
) -> int:
    """Send raw records to the intake topic; return how many were acknowledged."""
    topic = Topics.of(settings.topic_prefix).intake
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", **options
    )
    await producer.start()
    try:
        sending = [
            await producer.send(topic, value, key=key or _key(value), headers=headers)
            for value, headers in records
        ]
        await asyncio.gather(*sending)
        return len(sending)
    finally:
        await producer.stop()


async def send_to(
    settings: Settings, partition: int, records: Iterable[Raw], topic: str | None = None
) -> None:
    """Send one batch to a partition of a topic, of the intake topic if none is given.

    Headers with the name "unreadable" are changed to bytes that are not UTF-8; aiokafka's
    producer cannot write such names.
    """
    topic = topic or Topics.of(settings.topic_prefix).intake
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all")
    await producer.start()
    try:
        batch = producer.create_batch()
        for value, headers in records:
            batch.append(key=None, value=value, timestamp=None, headers=headers)
        built = bytearray(batch._build()).replace(b"unreadable", b"unread\xffble")
        built[17:21] = calc_crc32c(bytes(built[21:])).to_bytes(4, "big")
        batch._buffer = built
        await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


def _key(value: bytes | None) -> bytes | None:
    """Return a key for a null value: aiokafka, unlike others, sends no record without both."""
    return b"" if value is None else None


async def read_all(settings: Settings, topic: str, count: int) -> list[Any]:
    """Return the first `count` records of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        return [await asyncio.wait_for(consumer.getone(), 20) for _ in range(count)]
    finally:
        await consumer.stop()
