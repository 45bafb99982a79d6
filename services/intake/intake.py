"""The intake: reads what producers send by Kafka, takes it in, and looks after what waits."""

import asyncio
from collections.abc import Awaitable

import asyncpg
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from events.bus.publish import create_topic
from events.bus.topics import Topics
from services.intake import dead_letter_topic, metrics
from services.intake.admission import CONNECTIONS, Door
from services.intake.consumer import Consumer
from services.intake.settings import IntakeSettings
from services.runtime.database import AWAY, pooled
from services.runtime.logging import get_logger
from services.runtime.process import Checks, sleep_unless
from services.runtime.settings import Settings

CHORES_SECONDS = 0.5
FIGURES_SECONDS = 5.0
LOOK_SECONDS = 2.0
STALLED_SECONDS = 30.0
"""A partition that nobody has read for so long: clients hang without a word."""

log = get_logger("intake")


class Stalled(Exception):
    """A partition is read no more although there is something to read: a restart helps."""


async def work(settings: Settings, stop: asyncio.Event, checks: Checks) -> None:
    """The process. Ends with an error where only a restart helps; its supervisor does the rest."""
    limits = IntakeSettings()
    topics = Topics.of(settings.topic_prefix)
    servers = settings.kafka_bootstrap_servers
    connections = max(settings.pool_size, CONNECTIONS)
    async with pooled(settings, "crm intake", size=connections) as pool:
        for topic in (topics.intake, topics.dead_letters):
            await create_topic(
                servers,
                topic,
                partitions=settings.topic_partitions,
                replicas=settings.topic_replicas,
            )
        door = Door(pool, limits)
        consumer = Consumer(
            servers, topics.intake, door.take_in, batch_records=limits.batch_records,
            patience_seconds=limits.patience_seconds,
        )  # fmt: skip
        sender = dead_letter_topic.producer(servers)

        async def ready() -> str | None:
            kafka = consumer.kafka
            joined = kafka is not None and (kafka.assignment() or consumer.read)
            return None if joined else "no partition of the intake topic is assigned yet"

        checks["intake"] = ready
        try:
            await sender.start()
            await consumer.start()
            log.info("intake.started", signatures_demanded=bool(limits.keys))
            await _until_first(
                stop.wait(),
                consumer.failed,
                _chores(door, stop, limits.patience_seconds),
                _copies(pool, sender, topics.dead_letters, stop),
                _watch(consumer, stop, limits.patience_seconds),
            )
        finally:
            await consumer.stop()
            await sender.stop()


async def _until_first(*works: Awaitable[object]) -> None:
    """Run all until one of them ends, and end the others; its error, if it has one, is raised."""
    tasks = [asyncio.ensure_future(one) for one in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _chores(door: Door, stop: asyncio.Event, patience_seconds: float) -> None:
    """Try what waits, and keep the figures true."""
    loop = asyncio.get_running_loop()
    well_at, look_at = loop.time(), 0.0
    while not await sleep_unless(stop, CHORES_SECONDS):
        try:
            while await door.retry() and not stop.is_set():
                pass
            if loop.time() >= look_at:
                async with door.pool.acquire() as conn:
                    await metrics.look(conn)
                look_at = loop.time() + FIGURES_SECONDS
            well_at = loop.time()
        except AWAY as error:
            log.warning("intake.chores_postponed", error=repr(error))
            if loop.time() - well_at > patience_seconds:
                raise


async def _copies(
    pool: asyncpg.Pool, sender: AIOKafkaProducer, topic: str, stop: asyncio.Event
) -> None:
    """Copy dead letters to their topic. What fails is tried again: nothing depends on copies."""
    while not await sleep_unless(stop, CHORES_SECONDS):
        try:
            while await dead_letter_topic.copy(pool, sender, topic) and not stop.is_set():
                pass
        except (KafkaError, *AWAY) as error:
            log.warning("intake.copies_postponed", error=repr(error))


async def _watch(consumer: Consumer, stop: asyncio.Event, patience_seconds: float) -> None:
    """End the process where a partition hangs, the broker stays away or has forgotten."""
    loop = asyncio.get_running_loop()
    looked_at = answered_at = loop.time()
    stands: dict[TopicPartition, tuple[int, float]] = {}
    read = -1
    while not await sleep_unless(stop, LOOK_SECONDS):
        now = loop.time()
        passed, looked_at = now - looked_at, now
        try:
            unread = await asyncio.wait_for(consumer.unread(), 10)
        except LookupError as error:
            raise Stalled(str(error)) from error
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("intake.broker_away", error=repr(error))
            if now - answered_at > patience_seconds:
                raise Stalled("the broker has not answered for too long") from error
            continue
        answered_at = now
        if consumer.busy and consumer.read == read:
            passed = 0  # one batch takes long: nothing is read meanwhile
        read = consumer.read
        stands = {
            place: (at, stands[place][1] + passed if stands.get(place, (-1,))[0] == at else 0)
            for place, (at, left) in unread.items() if left
        }  # fmt: skip
        for place, (at, seconds) in stands.items():
            if seconds > STALLED_SECONDS:
                where = f"{place.topic}/{place.partition}/{at}"
                raise Stalled(f"{where} has not been read for {STALLED_SECONDS:g} s")
