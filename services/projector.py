"""The projector: brings the tables level with the log, from the bus or, where it lacks, itself."""

import asyncio
import os
import socket

from events.bus.publish import create_topic
from events.bus.topics import Topics
from events.log import sequencer
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.apply import Life
from projections.engine.live import Engine
from services.projecting.consumer import Consumer
from services.projecting.figures import Figures
from services.projecting.watch import Watch
from services.runtime.collector import collect_rarely
from services.runtime.database import pooled
from services.runtime.process import Checks, run_process
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
        owner = f"{socket.gethostname()}:{os.getpid()}"
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
        await consumer.start()
        try:
            await Watch(engine, consumer, pool, Figures(LIVE, settings.topic_partitions)).run(stop)
        finally:
            await consumer.stop()


if __name__ == "__main__":
    run_process("projector", work)
