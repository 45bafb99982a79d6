"""The projector process: folds events into the tables, from the bus or, for a gap, from the log."""

import asyncio
import os
import secrets
import socket

from events.bus.publish import create_topic
from events.bus.topics import Topics
from events.log import sequencer
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.batch import WriterIdentity
from projections.engine.live import Engine
from services.projector.consumer import ProjectorConsumer
from services.projector.liveness import LivenessLock
from services.projector.metrics import ProjectorMetrics
from services.projector.watchdog import Watchdog
from services.runtime.clock import Clock
from services.runtime.database import pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.health import Check
from services.runtime.process import Checks, run_until_first_ends
from services.runtime.schema_readiness import schema_check
from services.runtime.settings import Settings


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, _clock: Clock) -> None:
    """Run the process until stopped: consume, project, and let the watchdog look for stalls."""
    collect_rarely()
    topic = Topics.of(settings.topic_prefix).events
    async with pooled(settings, "crm projector") as pool:
        async with pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
            await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
        await create_topic(
            settings.kafka_bootstrap_servers,
            topic,
            partitions=settings.topic_partitions,
            replicas=settings.topic_replicas,
        )
        # Containers can share a host name and a process id: a random part makes the name unique.
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        engine = Engine(pool, WriterIdentity(LIVE, state.generation), owner)
        consumer = ProjectorConsumer(
            settings.kafka_bootstrap_servers, topic, f"{topic}.{LIVE.name}", engine, state
        )
        checks["schema"] = schema_check(pool)
        checks["shards"] = _ownership_check(consumer, engine)
        lock = LivenessLock(settings, owner)
        metrics = ProjectorMetrics(LIVE, settings.topic_partitions)
        watchdog = Watchdog(engine, consumer, pool, metrics, lock)
        try:
            await lock.acquire()
            await _run(consumer, watchdog, stop)
        finally:
            try:
                await consumer.stop()
            finally:
                lock.release()


def _ownership_check(consumer: ProjectorConsumer, engine: Engine) -> Check:
    async def check() -> str | None:
        if not consumer.joined:
            return (
                "joining the consumer group: the group waits until the session of a killed "
                "member ends"
            )
        missing = consumer.assigned - engine.owned_shards
        return f"not the owner of shards {sorted(missing)}" if missing else None

    return check


async def _run(consumer: ProjectorConsumer, watchdog: Watchdog, stop: asyncio.Event) -> None:
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
