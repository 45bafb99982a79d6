"""Several tables at once, each on a connection of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncpg

from events.log.connection import Connection
from projections.engine.projection import DerivedTable
from projections.engine.tail import Progress

T = TypeVar("T")
LANES = 4
"""So many tables are indexed or compared at once."""


async def each_table(
    pool: asyncpg.Pool,
    tables: Sequence[DerivedTable],
    act: Callable[[Connection, DerivedTable], Awaitable[T]],
    stage: str,
    progress: Progress,
) -> list[T]:
    """Do something with every table, telling how many are done; what came of it, in their order."""
    lanes, done = asyncio.Semaphore(LANES), 0

    async def one(table: DerivedTable) -> T:
        nonlocal done
        async with lanes, pool.acquire() as conn:
            found = await act(conn, table)
        done += 1
        progress(stage, done, len(tables))
        return found

    progress(stage, 0, len(tables))
    tasks = [asyncio.create_task(one(table)) for table in tables]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
