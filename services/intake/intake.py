"""The intake process: reads the records of producers, admits them, retries pending ones."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.bus.topics import Topics
from events.log.announcements import APPENDED
from services.application.raw_record import RawRecord
from services.intake import dead_letter_topic, metrics, outcome_topic
from services.intake.admission import ADMISSION_CONNECTIONS, Admission
from services.intake.consumer import IntakeConsumer
from services.intake.outcome import IntakeOutcome
from services.intake.pending_retry import make_room, retry_pending
from services.intake.redrive_requests import redrive_requested
from services.intake.settings import load_intake_settings
from services.intake.stall_check import end_when_stalled
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, pooled
from services.runtime.event_signal import EventSignal, PollPause
from services.runtime.health import Check
from services.runtime.logging import get_logger
from services.runtime.process import Checks
from services.runtime.reachability import DATABASE, KAFKA, reachability_check
from services.runtime.settings import Settings
from services.runtime.table_fit import TableFit
from services.runtime.tasks import run_until_first_ends
from services.runtime.topics import TopicKeeper

CopyNew: TypeAlias = Callable[[asyncpg.Pool, AIOKafkaProducer, str], Awaitable[int]]
RETRY_SECONDS = 0.5
IDLE_SECONDS = 2.0
"""Time between two looks for pending records and copies while no record or event comes."""
METRICS_SECONDS = 5.0
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)

log = get_logger("intake")


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock) -> None:
    """Run the process. It ends with an error if only a new process helps.

    While the host's tables cannot hold the core's rows, raise `UnfitTables`: records stay unread.
    """
    intake_settings = load_intake_settings()
    topics = Topics.of(settings.topic_prefix)
    servers = settings.brokers
    connections = max(settings.pool_size, ADMISSION_CONNECTIONS)
    async with pooled(settings, "crm intake", size=connections) as pool:
        fit = TableFit(pool)
        await fit.require()
        admission = Admission(pool, intake_settings, clock)
        signal = EventSignal([APPENDED])
        patience_seconds = intake_settings.patience_seconds

        async def admit(records: Sequence[RawRecord]) -> list[IntakeOutcome]:
            await fit.require()
            await make_room(admission)
            try:
                return await admission.admit(records)
            finally:
                signal.wake()

        consumer = IntakeConsumer(
            servers, topics.intake, admit,
            batch_records=intake_settings.batch_records, patience_seconds=patience_seconds,
        )  # fmt: skip
        metrics.UNREAD.set_function(lambda: consumer.unread.count(consumer.kafka))
        producer = dead_letter_topic.create_producer(servers)

        async def fill_again(topic: str) -> None:
            if topic == topics.intake:
                consumer.read_again()
            if topic == topics.dead_letters:
                await dead_letter_topic.copy_again(pool)
            if topic == topics.outcomes:
                await outcome_topic.copy_again(pool)

        own_topics = [topic for topic in topics if topic != topics.events]
        keeper = TopicKeeper(settings, own_topics, fill_again)
        checks["database"] = reachability_check(settings, DATABASE)
        checks["kafka"] = reachability_check(settings, KAFKA)
        checks["topics"] = keeper.check
        checks["intake"] = _assignment_check(consumer)
        await keeper.create_missing()
        try:
            await producer.start()
            await consumer.start()
            log.info("intake.started", signatures_demanded=bool(intake_settings.keys))
            await run_until_first_ends(
                stop.wait(),
                consumer.failed,
                redrive_requested(settings, intake_settings, pool, stop),
                _retry_pending_records(admission, fit, signal, stop, patience_seconds),
                _copy_rows(
                    dead_letter_topic.copy_new, pool, producer, topics.dead_letters, signal, stop
                ),
                _copy_rows(outcome_topic.copy_new, pool, producer, topics.outcomes, signal, stop),
                signal.listen(settings),
                end_when_stalled(consumer, stop, patience_seconds),
                keeper.run(),
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
    admission: Admission,
    fit: TableFit,
    signal: EventSignal,
    stop: asyncio.Event,
    patience_seconds: float,
) -> None:
    """Retry pending records that are due, and update the gauges."""
    loop = asyncio.get_running_loop()
    success_at, metrics_at = loop.time(), 0.0
    pause = PollPause(signal, RETRY_SECONDS, IDLE_SECONDS)
    while not await pause.wait(stop):
        pause.begin_look()
        try:
            await fit.require()
            while await retry_pending(admission) and not stop.is_set():
                pass
            if loop.time() >= metrics_at:
                async with admission.pool.acquire() as conn:
                    await metrics.update_gauges(conn)
                metrics_at = loop.time() + METRICS_SECONDS
            success_at = loop.time()
        except RETRY_ERRORS as error:
            log.warning("intake.chores_postponed", error=error, is_retry=True)
            if loop.time() - success_at > patience_seconds:
                raise


async def _copy_rows(
    copy_new: CopyNew,
    pool: asyncpg.Pool,
    producer: AIOKafkaProducer,
    topic: str,
    signal: EventSignal,
    stop: asyncio.Event,
) -> None:
    """Copy new rows of a table to their topic. Nothing depends on the copies: retry without end."""
    pause = PollPause(signal, RETRY_SECONDS, IDLE_SECONDS)
    while not await pause.wait(stop):
        pause.begin_look()
        try:
            while await copy_new(pool, producer, topic) and not stop.is_set():
                pass
        except (KafkaError, *RETRY_ERRORS) as error:
            log.warning("intake.copies_postponed", error=error, is_retry=True)
