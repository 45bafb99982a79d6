"""Appending: a whole history in bulk, or one commit an event, as one command each would."""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice

import asyncpg

from benchmarks.workload import Place, history
from events.log.append import append
from events.record import NewEvent
from services.runtime.database import pooled
from services.runtime.settings import Settings

BATCH_EVENTS = 2_000
CLIENTS = 16


async def bulk(settings: Settings, seed: int, where: Place, events: int) -> dict[str, float]:
    """Seconds in transactions of 2,000 events on one connection; making the events is not timed."""
    seconds = 0.0
    async with pooled(settings, "bench append", role=None) as pool, pool.acquire() as conn:
        for batch in _batches(history(seed, where, events)):
            began = time.perf_counter()
            async with conn.transaction():
                await append(conn, batch, expected={})
            seconds += time.perf_counter() - began
    return {"events": events, "seconds": seconds}


async def single(settings: Settings, seed: int, where: Place, events: int) -> dict[str, float]:
    """Seconds of one commit an event, on one connection and then on sixteen."""
    async with pooled(settings, "bench append", role=None, size=CLIENTS) as pool:
        coming = history(seed, where, 2 * events)
        alone = list(islice(coming, events))
        began = time.perf_counter()
        await _client(pool, iter(alone))
        seconds = time.perf_counter() - began
        # Sixteen clients write for sixteen visitors: what belongs together stays in order.
        shared = list(coming)
        parts = [
            [e for e in shared if e.event.stream_id.int % CLIENTS == n] for n in range(CLIENTS)
        ]
        began = time.perf_counter()
        await asyncio.gather(*(_client(pool, iter(part)) for part in parts))
        together = time.perf_counter() - began
    return {"events": events, "seconds": seconds, "seconds_on_16": together}


async def _client(pool: asyncpg.Pool, events: Iterator[NewEvent]) -> None:
    async with pool.acquire() as conn:
        for event in events:
            async with conn.transaction():
                await append(conn, [event], expected={})


def _batches(events: Iterator[NewEvent]) -> Iterator[list[NewEvent]]:
    while batch := list(islice(events, BATCH_EVENTS)):
        yield batch
