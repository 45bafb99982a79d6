"""Processes of the core, run as asyncio tasks of a test."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.runtime.clock import Clock
from services.runtime.settings import Settings


@asynccontextmanager
async def running(settings: Settings, *names: str) -> AsyncIterator[None]:
    """Run the processes `services.<name>` during the block; an error in one fails the test."""
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(
            importlib.import_module(f"services.{name}.{name}").work(settings, stop, {}, Clock())
        )
        for name in names
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)
