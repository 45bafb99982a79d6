"""From an action to its visible row, at a steady rate: the real processes, and the bare path.

The bare path is INSERT and commit, produce with acks=all, consume, INSERT and commit, nothing
else. Whether a row is visible is asked in the same way on both.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.child import process
from benchmarks.workload import Place, history
from events.bus.publish import create_topic
from events.bus.topics import Topics
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.leads import LeadCaptured
from events.log.append import append
from events.record import NewEvent
from services.projector.consumer import FETCH_WAIT_MILLISECONDS
from services.runtime.database import pooled
from services.runtime.settings import Settings

LOOK_SECONDS = 0.001
WARM_ACTIONS = 50
PROCESSES = ("services.relay", "services.projector")
Act = Callable[[UUID], Awaitable[None]]


async def real(
    settings: Settings, seed: int, where: Place, rate: float, seconds: float
) -> dict[str, list[float]]:
    """Milliseconds of each action through relay and projector, processes of their own."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pooled(settings, "bench latency", role=None))
        for module in PROCESSES:
            await stack.enter_async_context(process(module, settings))
        captured = [e for e in history(seed, where, 2_000) if isinstance(e.event, LeadCaptured)]
        async with pool.acquire() as conn, conn.transaction():
            await append(conn, captured, expected={})
        rng = Random(seed)

        async def act(key: UUID) -> None:
            lead = rng.choice(captured)
            async with pool.acquire() as conn, conn.transaction():
                await append(conn, [_engagement(key, lead)], expected={})

        return await _measure(pool, "lead_engagement_events", act, rate, seconds)


def _engagement(key: UUID, lead: NewEvent) -> NewEvent:
    kind = EngagementType.EMAIL_OPENED
    said = EngagementRecorded(
        engagement_id=key, lead_id=lead.event.lead, event_type=kind,
        score_weight=ENGAGEMENT_WEIGHTS[kind],
    )  # fmt: skip
    return NewEvent(key, said, lead.org_id, lead.property_id, lead.occurred_at, lead.cause)


async def bare(settings: Settings, rate: float, seconds: float) -> dict[str, list[float]]:
    """Milliseconds of each action along the bare path, all in one process."""
    topic = Topics.of(settings.topic_prefix).events
    servers = settings.kafka_bootstrap_servers
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pooled(settings, "bench latency", role=None))
        for table in ("bench_in", "bench_out"):
            await pool.execute(f"CREATE TABLE {table} (id uuid PRIMARY KEY, payload jsonb)")
        await create_topic(servers, topic, partitions=settings.topic_partitions, replicas=1)
        producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=servers, group_id=f"bare.{uuid4().hex}",
            auto_offset_reset="earliest", enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_WAIT_MILLISECONDS,
        )  # fmt: skip
        for client in (producer, consumer):
            await client.start()
            stack.push_async_callback(client.stop)

        async def act(key: UUID) -> None:
            said = {"lead_id": str(key), "event_type": "email_opened", "score_weight": 8}
            await pool.execute("INSERT INTO bench_in VALUES ($1, $2)", key, said)
            await producer.send_and_wait(topic, key.bytes, key=key.bytes)

        consuming = asyncio.create_task(_consume(pool, consumer))
        stack.callback(consuming.cancel)
        return await _measure(pool, "bench_out", act, rate, seconds)


async def _consume(pool: asyncpg.Pool, consumer: AIOKafkaConsumer) -> None:
    async for record in consumer:
        key = UUID(bytes=record.value)
        said = {"lead_id": str(key), "event_type": "email_opened", "score_weight": 8}
        await pool.execute("INSERT INTO bench_out VALUES ($1, $2)", key, said)


async def _measure(
    pool: asyncpg.Pool, table: str, act: Act, rate: float, seconds: float
) -> dict[str, Any]:
    """Warm up, then act at the rate; an action that falls behind is not waited for."""
    began: dict[UUID, float] = {}
    took: list[float] = []
    async with pool.acquire() as conn:
        watching = asyncio.create_task(_watch(conn, table, began, took))
        for _ in range(WARM_ACTIONS):
            await _timed(act, began)
        while began:
            await asyncio.sleep(LOOK_SECONDS)
        took.clear()
        count, start = int(rate * seconds), time.perf_counter()
        async with asyncio.TaskGroup() as acting:
            for number in range(count):
                await asyncio.sleep(start + number / rate - time.perf_counter())
                acting.create_task(_timed(act, began))
        while began:
            await asyncio.sleep(LOOK_SECONDS)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return {"milliseconds": took}


async def _timed(act: Act, began: dict[UUID, float]) -> None:
    key = uuid4()
    began[key] = time.perf_counter()
    await act(key)


async def _watch(conn: Any, table: str, began: dict[UUID, float], took: list[float]) -> None:
    while True:
        if began:
            rows = await conn.fetch(f"SELECT id FROM {table} WHERE id = ANY($1)", list(began))
            now = time.perf_counter()
            took.extend(1000 * (now - began.pop(row["id"])) for row in rows)
        await asyncio.sleep(LOOK_SECONDS)
