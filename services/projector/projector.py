"""The projector: brings the tables level with the log, from the bus or, where it lacks, itself."""

import asyncio
import os
import secrets
import socket
from collections.abc import Coroutine
from typing import Any

from events.bus.publish import create_topic
from events.bus.topics import Topics
from events.log import sequencer
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.apply import Life
from projections.engine.live import Engine
from services.projector.consumer import Consumer
from services.projector.liveness import Presence
from services.projector.metrics import Figures
from services.projector.watchdog import Watch
from services.runtime.database import pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.process import Checks
from services.runtime.settings import Settings


async def work(settings: Settings, stop: asyncio.Event, checks: Checks) -> None:
    """The process: consumes, projects and watches until stopped."""
    collect_rarely()
    topic = Topics.of(settings.topic_prefix).events
    async with pooled(settings, "crm projector") as pool:
        async with pool.acquire() as conn:
            state = await sequencer.state(conn)
            await checkpoints.create(conn, LIVE.name, LIVE.version, state.generation)
        await create_topic(
            settings.kafka_bootstrap_servers,
            topic,
            partitions=settings.topic_partitions,
            replicas=settings.topic_replicas,
        )
        # Containers may share a host's name and a process id: a mark of its own tells them apart.
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        engine = Engine(pool, Life(LIVE, state.generation), owner)
        consumer = Consumer(
            settings.kafka_bootstrap_servers, topic, f"{topic}.{LIVE.name}", engine, state
        )

        async def ready() -> str | None:
            if not consumer.joined:
                return "joining the group: a killed member is waited for until its session ends"
            unowned = consumer.assigned - engine.owned
            return f"not the owner of shards {sorted(unowned)}" if unowned else None

        checks["shards"] = ready
        presence = Presence(settings, owner)
        figures = Figures(LIVE, settings.topic_partitions)
        watch = Watch(engine, consumer, pool, figures, presence)
        try:
            await presence.hold()
            await _beside(consumer.start(), watch.run(stop))
        finally:
            await consumer.stop()
            presence.leave()


async def _beside(beginning: Coroutine[Any, Any, None], work: Coroutine[Any, Any, None]) -> None:
    """Work while something begins, which is never cut short: half a client cannot be closed."""
    begun, worked = asyncio.create_task(beginning), asyncio.create_task(work)
    try:
        await asyncio.wait({begun, worked}, return_when=asyncio.FIRST_EXCEPTION)
        for task in (begun, worked):
            if task.done():
                task.result()
    finally:
        begun.cancel()
        worked.cancel()
        await asyncio.gather(begun, worked, return_exceptions=True)
