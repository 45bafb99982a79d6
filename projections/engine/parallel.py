"""Parallel work on tables: each table is processed on a connection of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncpg

from events.log.connection import Connection
from projections.engine.derived_table import DerivedTable
from projections.engine.tail import Progress

T = TypeVar("T")
MAX_PARALLEL_TABLES = 4


async def run_for_tables(
    pool: asyncpg.Pool,
    tables: Sequence[DerivedTable],
    process: Callable[[Connection, DerivedTable], Awaitable[T]],
    stage: str,
    progress: Progress,
) -> list[T]:
    """Process every table, report the number of finished ones, and return the results in order."""
    slots, done = asyncio.Semaphore(MAX_PARALLEL_TABLES), 0

    async def run(table: DerivedTable) -> T:
        nonlocal done
        async with slots, pool.acquire() as conn:
            result = await process(conn, table)
        done += 1
        progress(stage, done, len(tables))
        return result

    progress(stage, 0, len(tables))
    tasks = [asyncio.create_task(run(table)) for table in tables]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
