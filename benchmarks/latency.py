"""Measurement of the time from an action to its visible row, at a steady rate.

The real path is a command of the API, the relay and the projector. The bare path is only: INSERT
and commit, produce with acks=all, consume, INSERT and commit. Visibility is checked in the same way
on both.
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

from benchmarks.child import run_process
from benchmarks.engaging import EngagedLead, record_engagement
from benchmarks.workload import Organization, history
from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from events.engagements import EngagementType
from events.leads import LeadCaptured
from events.log.append import append
from services.application.stream_cache import StreamCache
from services.event_consumer.consumer import FETCH_WAIT_MILLISECONDS
from services.runtime.database import pooled
from services.runtime.settings import Settings
from services.runtime.tasks import end_tasks

POLL_SECONDS = 0.001
WARM_ACTIONS = 50
PROCESSES = ("services.relay", "services.projector")
Action = Callable[[], Awaitable[UUID]]
"""It returns the id of the row that will be visible."""


async def real(
    settings: Settings, seed: int, organization: Organization, rate: float, seconds: float
) -> dict[str, list[float]]:
    """Return the milliseconds of each action through a relay and a projector process."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pooled(settings, "bench latency", role=None))
        for module in PROCESSES:
            await stack.enter_async_context(run_process(module, settings))
        captured = [
            e for e in history(seed, organization, 2_000) if isinstance(e.event, LeadCaptured)
        ]
        async with pool.acquire() as conn, conn.transaction():
            await append(conn, captured, expected={})
        leads = [
            EngagedLead(e.org_id, e.property_id, e.event.lead)
            for e in captured if e.property_id and e.event.lead
        ]  # fmt: skip
        rng, cache = Random(seed), StreamCache()

        async def action() -> UUID:
            kind = EngagementType.EMAIL_OPENED
            return await record_engagement(pool, rng.choice(leads), kind, cache)

        return await _measure(pool, "lead_engagement_events", action, rate, seconds)


async def bare(settings: Settings, rate: float, seconds: float) -> dict[str, list[float]]:
    """Return the milliseconds of each action on the bare path, in this process."""
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

        async def action() -> UUID:
            key = uuid4()
            payload = {"lead_id": str(key), "event_type": "email_opened", "score_weight": 8}
            await pool.execute("INSERT INTO bench_in VALUES ($1, $2)", key, payload)
            await producer.send_and_wait(topic, key.bytes, key=key.bytes)
            return key

        consumer_task = asyncio.create_task(_consume(pool, consumer))
        stack.callback(consumer_task.cancel)
        return await _measure(pool, "bench_out", action, rate, seconds)


async def _consume(pool: asyncpg.Pool, consumer: AIOKafkaConsumer) -> None:
    async for record in consumer:
        key = UUID(bytes=record.value)
        payload = {"lead_id": str(key), "event_type": "email_opened", "score_weight": 8}
        await pool.execute("INSERT INTO bench_out VALUES ($1, $2)", key, payload)


async def _measure(
    pool: asyncpg.Pool, table: str, action: Action, rate: float, seconds: float
) -> dict[str, Any]:
    """Warm up, then run actions at the rate, without waiting for slow ones."""
    started: dict[UUID, float] = {}
    durations: list[float] = []
    async with pool.acquire() as conn:
        watch_task = asyncio.create_task(_watch(conn, table, started, durations))
        for _ in range(WARM_ACTIONS):
            await _start_action(action, started)
        while started:
            await asyncio.sleep(POLL_SECONDS)
        durations.clear()
        count, start = int(rate * seconds), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(start + number / rate - time.perf_counter())
                group.create_task(_start_action(action, started))
        while started:
            await asyncio.sleep(POLL_SECONDS)
        await end_tasks([watch_task])
    return {"milliseconds": durations}


async def _start_action(action: Action, started: dict[UUID, float]) -> None:
    began = time.perf_counter()
    started[await action()] = began


async def _watch(conn: Any, table: str, started: dict[UUID, float], durations: list[float]) -> None:
    while True:
        if started:
            rows = await conn.fetch(f"SELECT id FROM {table} WHERE id = ANY($1)", list(started))
            now = time.perf_counter()
            durations.extend(1000 * (now - started.pop(row["id"])) for row in rows)
        await asyncio.sleep(POLL_SECONDS)
