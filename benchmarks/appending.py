"""Measurement of appends: a history in bulk, or one commit for each event."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import asyncpg

from benchmarks.growth.curve import Curve
from benchmarks.workload import Organization, history
from events.log.append import append
from events.record import NewEvent
from services.runtime.database import pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.settings import Settings
from services.runtime.tracing import begin_trace, is_recording

BATCH_EVENTS = 2_000
CLIENTS = 16
T = TypeVar("T")


async def bulk(
    settings: Settings, seed: int, organization: Organization, events: int, step: int = 0
) -> dict[str, Any]:
    """Measure transactions of 2,000 events on one connection, without making the events.

    The objects that make the events are collected rarely, as in the processes of the core. The
    times of the curve contain the making of the events.
    """
    collect_rarely()
    seconds = cpu_seconds = 0.0
    done, curve = 0, Curve("append", events, step, settings.home)
    curve.begin()
    async with pooled(settings, "bench append", role=None) as pool, pool.acquire() as conn:
        for batch in batches(_in_traces(history(seed, organization, events))):
            started, cpu_started = time.perf_counter(), time.process_time()
            async with conn.transaction():
                await append(conn, batch, expected={})
            seconds += time.perf_counter() - started
            cpu_seconds += time.process_time() - cpu_started
            done += len(batch)
            await curve.add(done, conn)
    return {
        "events": events, "seconds": seconds, "cpu_seconds": cpu_seconds, **curve.result()
    }  # fmt: skip


async def single(
    settings: Settings, seed: int, organization: Organization, events: int
) -> dict[str, float]:
    """Measure one commit for each event, on one connection and then on sixteen."""
    async with pooled(settings, "bench append", role=None, size=CLIENTS) as pool:
        events_to_append = history(seed, organization, 2 * events)
        first_half = list(islice(events_to_append, events))
        started = time.perf_counter()
        await _client(pool, iter(first_half))
        seconds = time.perf_counter() - started
        # A stream belongs to one client, so that its events stay in order.
        second_half = list(events_to_append)
        parts = [
            [e for e in second_half if e.event.stream_id.int % CLIENTS == n] for n in range(CLIENTS)
        ]
        started = time.perf_counter()
        await asyncio.gather(*(_client(pool, iter(part)) for part in parts))
        seconds_on_16 = time.perf_counter() - started
    return {"events": events, "seconds": seconds, "seconds_on_16": seconds_on_16}


async def _client(pool: asyncpg.Pool, events: Iterator[NewEvent]) -> None:
    async with pool.acquire() as conn:
        for event in events:
            async with conn.transaction():
                await append(conn, [event], expected={})


def batches(events: Iterator[T]) -> Iterator[list[T]]:
    """Yield lists of at most `BATCH_EVENTS`."""
    while batch := list(islice(events, BATCH_EVENTS)):
        yield batch


def _in_traces(events: Iterator[NewEvent]) -> Iterator[NewEvent]:
    """Return the events; if spans are recorded, each in a trace as if it were of a request."""
    if not is_recording():
        return events
    return (replace(new, cause=replace(new.cause, trace=begin_trace())) for new in events)
