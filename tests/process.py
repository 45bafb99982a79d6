"""Processes of the core as tasks of the test, for the length of a block."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.runtime.settings import Settings


@asynccontextmanager
async def running(settings: Settings, *names: str) -> AsyncIterator[None]:
    """Run `services.<name>` for each name; what goes wrong in one fails the test."""
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(importlib.import_module(f"services.{name}").work(settings, stop, {}))
        for name in names
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)
