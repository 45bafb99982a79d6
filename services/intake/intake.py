"""The intake process: reads the records of producers, admits them, retries pending ones."""

import asyncio

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.bus.publish import create_topic
from events.bus.topics import Topics
from services.intake import dead_letter_topic, metrics
from services.intake.admission import ADMISSION_CONNECTIONS, Admission
from services.intake.consumer import IntakeConsumer
from services.intake.pending_retry import retry_pending
from services.intake.settings import IntakeSettings
from services.intake.stall_check import end_when_stalled
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, pooled
from services.runtime.health import Check
from services.runtime.logging import get_logger
from services.runtime.process import Checks, run_until_first_ends, sleep_unless
from services.runtime.settings import Settings

RETRY_SECONDS = 0.5
METRICS_SECONDS = 5.0
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)

log = get_logger("intake")


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock) -> None:
    """Run the process. It ends with an error if only a new process helps."""
    intake_settings = IntakeSettings()
    topics = Topics.of(settings.topic_prefix)
    servers = settings.kafka_bootstrap_servers
    connections = max(settings.pool_size, ADMISSION_CONNECTIONS)
    async with pooled(settings, "crm intake", size=connections) as pool:
        for topic in (topics.intake, topics.dead_letters):
            await create_topic(
                servers,
                topic,
                partitions=settings.topic_partitions,
                replicas=settings.topic_replicas,
            )
        admission = Admission(pool, intake_settings, clock)
        patience_seconds = intake_settings.patience_seconds
        consumer = IntakeConsumer(
            servers, topics.intake, admission.admit,
            batch_records=intake_settings.batch_records, patience_seconds=patience_seconds,
        )  # fmt: skip
        producer = dead_letter_topic.create_producer(servers)
        checks["intake"] = _assignment_check(consumer)
        try:
            await producer.start()
            await consumer.start()
            log.info("intake.started", signatures_demanded=bool(intake_settings.keys))
            await run_until_first_ends(
                stop.wait(),
                consumer.failed,
                _retry_pending_records(admission, stop, patience_seconds),
                _copy_dead_letters(pool, producer, topics.dead_letters, stop),
                end_when_stalled(consumer, stop, patience_seconds),
            )
        finally:
            await consumer.stop()
            await producer.stop()


def _assignment_check(consumer: IntakeConsumer) -> Check:
    async def check() -> str | None:
        kafka = consumer.kafka
        is_joined = kafka is not None and (kafka.assignment() or consumer.admitted)
        return None if is_joined else "no partition of the intake topic is assigned yet"

    return check


async def _retry_pending_records(
    admission: Admission, stop: asyncio.Event, patience_seconds: float
) -> None:
    """Retry pending records that are due, and update the gauges."""
    loop = asyncio.get_running_loop()
    success_at, metrics_at = loop.time(), 0.0
    while not await sleep_unless(stop, RETRY_SECONDS):
        try:
            while await retry_pending(admission) and not stop.is_set():
                pass
            if loop.time() >= metrics_at:
                async with admission.pool.acquire() as conn:
                    await metrics.update_gauges(conn)
                metrics_at = loop.time() + METRICS_SECONDS
            success_at = loop.time()
        except RETRY_ERRORS as error:
            log.warning("intake.chores_postponed", error=repr(error))
            if loop.time() - success_at > patience_seconds:
                raise


async def _copy_dead_letters(
    pool: asyncpg.Pool, producer: AIOKafkaProducer, topic: str, stop: asyncio.Event
) -> None:
    """Copy dead letters to their topic. Nothing depends on the copies, so retry without end."""
    while not await sleep_unless(stop, RETRY_SECONDS):
        try:
            while await dead_letter_topic.copy_new(pool, producer, topic) and not stop.is_set():
                pass
        except (KafkaError, *RETRY_ERRORS) as error:
            log.warning("intake.copies_postponed", error=repr(error))
