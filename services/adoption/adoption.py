"""Adoption: append one event for every row that the host has in the shared tables, in batches.

The database stages the changes (migration 0047), in the same way as for later writes of the host,
and they are appended at once. A batch never waits for the host: a row that the host is writing is
left for the next pass.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import UUID

import asyncpg

from events.log.append import append_staged
from events.log.connection import Connection
from events.log.locks import try_lock_name
from projections.engine import adoption
from services.adoption.adopted_tables import ADOPTED_TABLES, AdoptedTable, count_rows

ADOPTION_LOCK = "adoption"
BATCH_ROWS = 500
PASSES = 20
PAUSE_SECONDS = 0.5
"""The pause between two passes, in which the host can commit what it is writing."""
LOCK_TIMEOUT = "200ms"
"""Shorter than `deadlock_timeout`: PostgreSQL must not end a transaction of the host for us."""

Progress: TypeAlias = Callable[[str, int], None]
"""Called with a table and the number of rows that were adopted since the last call."""


class AdoptionRunning(Exception):
    """Another `crm adopt` is running."""

    def __init__(self) -> None:
        super().__init__("another `crm adopt` is running: wait until it ends")


class NothingToAdopt(Exception):
    """The host has no rows; only the operator knows whether its other code will write some."""

    def __init__(self) -> None:
        super().__init__(
            "there are no rows to adopt, and only the core may write leads, conversations and "
            "messages: use --open if the host's other code will write them too"
        )


async def adopt(pool: asyncpg.Pool, progress: Progress, *, open_: bool = False) -> Counter[str]:
    """Adopt all rows that can be adopted; return the number of new events by table.

    The host's other code may write from the first moment: the database logs its writes. Rows may be
    left: `mark_complete` checks. Raise `AdoptionRunning` or `NothingToAdopt`.
    """
    new: Counter[str] = Counter()
    async with _lock_adoption(pool):
        await _open_tables(pool, needs_rows=not open_)
        for number in range(PASSES):
            if number:
                await asyncio.sleep(PAUSE_SECONDS)
            remaining = 0
            for table in ADOPTED_TABLES:
                remaining += await _adopt_table(pool, table, progress, new)
            if not remaining:
                break
    return new


async def mark_complete(pool: asyncpg.Pool) -> bool:
    """Mark the adoption as complete; return False if rows are left that can be adopted."""
    if any(counts.to_adopt for counts in await count_rows(pool)):
        return False
    async with pool.acquire() as conn:
        await conn.execute(
            "UPDATE crm.adoption SET state = $1, completed_at = clock_timestamp() WHERE state = $2",
            adoption.COMPLETE,
            adoption.OPEN,
        )
    return True


@asynccontextmanager
async def _lock_adoption(pool: asyncpg.Pool) -> AsyncIterator[None]:
    # A lock of the transaction: behind a pooler, a session has no owner. It only waits.
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if not await try_lock_name(conn, ADOPTION_LOCK):
            raise AdoptionRunning
        yield


async def _open_tables(pool: asyncpg.Pool, *, needs_rows: bool) -> None:
    """Let the host's other code write the tables; raise `NothingToAdopt` without rows of it."""
    async with pool.acquire() as conn:
        if await adoption.read_state(conn) != adoption.NONE:
            return
        if needs_rows and not await _has_waiting_rows(conn):
            raise NothingToAdopt
        await conn.execute("SELECT crm.open_adoption()")


async def _has_waiting_rows(conn: Connection) -> bool:
    for table in ADOPTED_TABLES:
        query = f"SELECT EXISTS (SELECT FROM public.{table.table} r WHERE {table.is_waiting})"
        if await conn.fetchval(query):
            return True
    return False


async def _adopt_table(
    pool: asyncpg.Pool, table: AdoptedTable, progress: Progress, new: Counter[str]
) -> int:
    """Go through a table once, in the order of its keys; return how many rows to try again."""
    after, remaining = UUID(int=0), 0
    async with pool.acquire() as conn:
        while True:
            rows = await conn.fetch(
                f"SELECT r.id FROM public.{table.table} r "
                f"WHERE r.id > $1 AND {table.is_waiting} ORDER BY r.id LIMIT {BATCH_ROWS}",
                after,
            )
            if not rows:
                return remaining
            after = rows[-1]["id"]
            results = await _adopt_batch(conn, table, [row["id"] for row in rows])
            await _append_staged(conn)
            if results["new"]:
                new[table.table] += results["new"]
            remaining += len(rows) - results["new"] - results["refused"] - results["known"]
            progress(table.table, results["new"])


async def _adopt_batch(conn: Connection, table: AdoptedTable, ids: Sequence[UUID]) -> Counter[str]:
    """Adopt rows in one transaction; count the results `new`, `known`, `refused` and `later`.

    A row that the host has locked is skipped. If a row waits for a transaction of the host that
    adopts the same row, the others are adopted one by one.
    """
    try:
        return await _adopt_rows(conn, table, ids)
    except asyncpg.LockNotAvailableError:
        if len(ids) == 1:
            return Counter(later=1)
    results: Counter[str] = Counter()
    for key in ids:
        results += await _adopt_batch(conn, table, [key])
    return results


async def _adopt_rows(conn: Connection, table: AdoptedTable, ids: Sequence[UUID]) -> Counter[str]:
    async with conn.transaction():
        await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        results = await conn.fetch(
            f"WITH batch AS MATERIALIZED (SELECT r FROM public.{table.table} r "
            "  WHERE r.id = ANY($1::uuid[]) ORDER BY r.id FOR SHARE SKIP LOCKED) "
            f"SELECT crm.adopt_{table.noun}(r, 'adopt', 'adopt') AS result FROM batch",
            ids,
        )
    words = [row["result"] for row in results]
    # Any other word is the reason why the row was refused.
    return Counter(word if word in ("new", "known", "later") else "refused" for word in words)


async def _append_staged(conn: Connection) -> None:
    """Append the events of the adopted rows, and of what the host wrote before."""
    moved = BATCH_ROWS
    while moved == BATCH_ROWS:
        async with conn.transaction():
            moved = await append_staged(conn, limit=BATCH_ROWS)
