"""Relaying: numbering a log nobody has numbered, and publishing it."""

import asyncio
import time

from events.log import sequencer
from services.relay.relay import Relay
from services.runtime.database import connect
from services.runtime.settings import Settings

LOOK_SECONDS = 0.005


async def relay(settings: Settings, events: int) -> dict[str, float]:
    """Seconds from the moment the relay is at work until all is acknowledged and noted."""
    stop = asyncio.Event()
    working = Relay(settings)
    task = asyncio.create_task(working.run(stop))
    conn = await connect(settings, "bench relay", role=None)
    while not working.active:
        await asyncio.sleep(0)
    began = time.perf_counter()
    while (await sequencer.state(conn)).published < events:
        await asyncio.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - began
    stop.set()
    await task
    await conn.close()
    return {"events": events, "seconds": seconds}
