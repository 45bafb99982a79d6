"""The frame of a process that consumes events: consumer, watchdog, liveness and health checks."""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Collection
from dataclasses import dataclass

import asyncpg

from events.bus.topics import Topics
from events.log.sequencer import LogState
from events.log.shard import SHARDS
from projections.engine import checkpoints
from projections.engine.live import Engine
from projections.engine.pipeline import Pipeline
from services.event_consumer.consumer import BATCH_EVENTS, EventConsumer
from services.event_consumer.liveness import make_liveness
from services.event_consumer.metrics import PROJECTION, ConsumerMetrics, GroupMetrics
from services.event_consumer.standstill_report import LAST_FAILURE, StandstillReport
from services.event_consumer.traced_events import TracedEvents
from services.event_consumer.watchdog import Watchdog
from services.runtime.event_signal import EventSignal
from services.runtime.health import Check
from services.runtime.process import Checks
from services.runtime.reachability import DATABASE, KAFKA, reachability_check
from services.runtime.settings import Settings
from services.runtime.tasks import run_until_first_ends
from services.runtime.topics import TopicKeeper


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """The parts in which the processes that consume events differ.

    `beyond_log` says what it means, and what to do, if checkpoints are beyond the log. It contains
    `{shards}`.
    """

    beyond_log: str
    batch_events: int = BATCH_EVENTS
    group_metrics: GroupMetrics = PROJECTION


async def consume_events(
    settings: Settings,
    stop: asyncio.Event,
    checks: Checks,
    pipeline: Pipeline,
    state: LogState,
    options: ConsumerOptions,
    extra_checks: Checks,
    *also: Awaitable[object],
    signal: EventSignal | None = None,
    traced: TracedEvents | None = None,
) -> None:
    """Give the events of the bus to the pipeline until stopped; run `also` meanwhile.

    The checkpoints of the pipeline's group must exist. Raise `WrongVersion`.
    """
    topic, pool, group = Topics.of(settings.topic_prefix).events, pipeline.pool, pipeline.group
    keeper = TopicKeeper(settings, [topic])
    await keeper.create_missing()
    # Containers can share a host name and a process id: a random part makes the name unique.
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    engine = Engine(pipeline, owner)
    signal = signal or EventSignal(safety_seconds=settings.safety_poll_seconds)
    consumer = EventConsumer(
        settings.brokers, topic, engine, state, options.batch_events, signal, traced
    )
    checks["database"] = reachability_check(settings, DATABASE)
    checks["kafka"] = reachability_check(settings, KAFKA)
    checks["shards"] = _ownership_check(consumer, engine)
    checks["log"] = _log_check(engine, options)
    report = StandstillReport(pool, group, lambda: _own_shards(consumer, engine))
    checks[group.work] = report.check
    checks["topics"] = keeper.check
    checks.update(extra_checks)
    liveness = make_liveness(settings, pool, owner)
    metrics = ConsumerMetrics(group, settings.topic_partitions, options.group_metrics)
    watchdog = Watchdog(engine, consumer, pool, metrics, liveness)
    try:
        await liveness.acquire()
        try:
            await run_until_first_ends(
                _run(consumer, watchdog, stop), report.run(), keeper.run(),
                signal.listen(settings), *also,
            )  # fmt: skip
        except asyncpg.PostgresError as error:
            LAST_FAILURE.record(error)
            raise
    finally:
        try:
            await consumer.stop()
        finally:
            await liveness.release()


def _own_shards(consumer: EventConsumer, engine: Engine) -> Collection[int]:
    """Return the shards that this consumer has to apply; all, until the group assigned some."""
    return consumer.assigned | engine.owned_shards if consumer.joined else range(SHARDS)


def _ownership_check(consumer: EventConsumer, engine: Engine) -> Check:
    async def check() -> str | None:
        if not consumer.joined:
            return (
                "joining the consumer group: the group waits until the session of a killed "
                "member ends"
            )
        missing = consumer.assigned - engine.owned_shards
        return f"not the owner of shards {sorted(missing)}" if missing else None

    return check


def _log_check(engine: Engine, options: ConsumerOptions) -> Check:
    async def check() -> str | None:
        async with engine.pool.acquire() as conn:
            shards = await checkpoints.beyond_log(conn, engine.group.name)
        return options.beyond_log.format(shards=shards) if shards else None

    return check


async def _run(consumer: EventConsumer, watchdog: Watchdog, stop: asyncio.Event) -> None:
    """Consume until the watchdog ends, which it does when stopped or when a restart is needed."""
    joined = asyncio.Event()

    async def consume() -> None:
        await consumer.start()
        joined.set()
        await asyncio.Event().wait()  # batches arrive in callbacks of the consumer

    async def watch() -> None:
        await watchdog.run(stop)
        await joined.wait()  # a client whose start was cancelled cannot be closed

    await run_until_first_ends(consume(), watch())
