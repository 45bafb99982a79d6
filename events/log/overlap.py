"""Computation while the server executes statements: for appends of many events."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
Result = TypeVar("Result")

MIN_EVENTS = 200
"""From this number of events on, the server's time is worth a task."""
TURN_EVENTS = 100
"""Events between two turns of the event loop, which sends statements and receives results."""


async def make_all(make: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """Return what `make` returns for each item, and let the event loop run now and then."""
    made: list[Made] = []
    # Two turns at first: a statement is written in the first and sent at its end.
    await asyncio.sleep(0)
    for start in range(0, len(items), TURN_EVENTS):
        await asyncio.sleep(0)
        made += [make(item) for item in items[start : start + TURN_EVENTS]]
    return made


async def run(
    statements: Coroutine[Any, Any, Result], work: Coroutine[Any, Any, Made]
) -> tuple[Result, Made]:
    """Run statements and, while the server executes them, the work, which uses no connection.

    No statement runs any more when this raises. An error of the work comes first.
    """
    task = asyncio.create_task(statements)
    try:
        made = await work
    except BaseException as error:
        if not isinstance(error, Exception):  # the caller is cancelled
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # it counts as retrieved
        raise
    return await task, made
