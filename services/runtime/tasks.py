"""Tasks that work beside each other, and their end.

A cancellation can be lost: `asyncio.wait_for` of Python 3.11 returns the result of what it waits
for if both come in the same turn of the event loop. Our code uses `asyncio.timeout`, which does not
lose it, but libraries use `wait_for`. So a task that goes on is cancelled again.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

from services.runtime.logging import get_logger

CANCEL_AGAIN_SECONDS = 5.0
"""Time after which a cancelled task is cancelled again. Most need milliseconds to end."""

log = get_logger("tasks")


async def run_until_first_ends(*works: Awaitable[object]) -> None:
    """Run all until one of them ends, then cancel the others. Raise its error if it failed."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end_tasks(tasks)


async def end_tasks(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel the tasks and wait until all have ended. Their errors are ignored."""
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        ended, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
        for task in ended:
            if not task.cancelled():
                task.exception()  # read, so that asyncio does not report it
        for task in running:
            log.warning("tasks.cancelled_again", task=repr(task), is_retry=True)
