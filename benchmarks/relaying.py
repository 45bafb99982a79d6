"""Measurement of the relay: assign positions to a whole log, and publish it."""

import asyncio
import time
from typing import Any

from benchmarks.growth.curve import Curve
from events.log import sequencer
from services.relay.relay import Relay
from services.runtime.database import connect
from services.runtime.settings import Settings

POLL_SECONDS = 0.005


async def relay(settings: Settings, events: int, step: int = 0) -> dict[str, Any]:
    """Measure the seconds from the start of a relay run until everything is acknowledged."""
    stop = asyncio.Event()
    relay_process = Relay(settings)
    task = asyncio.create_task(relay_process.run(stop))
    conn = await connect(settings, "bench relay", role=None)
    while not relay_process.active:
        await asyncio.sleep(0)
    started, curve = time.perf_counter(), Curve("relay", events, step, settings.home)
    curve.begin()
    while (published := (await sequencer.read_log_state(conn)).published) < events:
        await curve.add(published, conn)
        await asyncio.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    await curve.add(published, conn)
    stop.set()
    await task
    await conn.close()
    return {"events": events, "seconds": seconds, **curve.result()}
