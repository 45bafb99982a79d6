"""An intake that runs inside a test, and producers that send to it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from events.bus.topics import Topics
from services.intake import intake
from services.runtime.health import find_problems
from services.runtime.process import Checks
from services.runtime.settings import Settings
from tests.conftest import until

Raw = tuple[bytes | None, list[tuple[str, bytes | None]]]


@asynccontextmanager
async def running_intake(settings: Settings) -> AsyncIterator[asyncio.Event]:
    """The process' work until the block ends; yields the event that asks it to stop."""
    stop, checks = asyncio.Event(), Checks()
    task = asyncio.create_task(intake.work(settings, stop, checks))

    async def ready() -> bool:
        if task.done():
            task.result()
        return "intake" in checks and not await find_problems(checks)

    try:
        await until(ready)
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def send(
    settings: Settings, records: Iterable[Raw], *, key: bytes | None = None, **options: Any
) -> int:
    """Send raw records to the intake topic; how many were acknowledged."""
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


async def send_to(settings: Settings, partition: int, records: Iterable[Raw]) -> None:
    """Send one batch to a partition of the intake topic. Its headers called "unreadable" are no
    UTF-8, as aiokafka's producer never writes them."""
    topic = Topics.of(settings.topic_prefix).intake
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
    """aiokafka sends no record that has neither key nor value; other clients do."""
    return b"" if value is None else None


async def read_all(settings: Settings, topic: str, count: int) -> list[Any]:
    """The first `count` records of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=settings.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        return [await asyncio.wait_for(consumer.getone(), 20) for _ in range(count)]
    finally:
        await consumer.stop()
