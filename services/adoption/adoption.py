"""Adoption: append one event for every row that the host has in the shared tables, in batches.

The database makes the events (migration 0011), in the same way as for later writes of the host. A
batch never waits for the host: a row that the host is writing is left for the next pass.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from projections.engine import adoption
from services.adoption.adopted_tables import ADOPTED_TABLES, AdoptedTable, count_rows

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
    async with pool.acquire() as conn:
        if not await conn.fetchval("SELECT pg_try_advisory_lock(hashtext('crm adopt'))"):
            raise AdoptionRunning
        try:
            yield
        finally:
            await conn.execute("SELECT pg_advisory_unlock(hashtext('crm adopt'))")


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
                f"SELECT r.id, {table.property_id} AS property_id FROM {table.source} "
                f"WHERE r.id > $1 AND {table.is_waiting} ORDER BY r.id LIMIT {BATCH_ROWS}",
                after,
            )
            if not rows:
                return remaining
            after = rows[-1]["id"]
            results = await _adopt_batch(conn, table, rows)
            if results["new"]:
                new[table.table] += results["new"]
            remaining += len(rows) - results["new"] - results["refused"] - results["known"]
            progress(table.table, results["new"])


async def _adopt_batch(
    conn: Connection, table: AdoptedTable, rows: Sequence[asyncpg.Record]
) -> Counter[str]:
    """Adopt rows in one transaction; count the results `new`, `known`, `refused` and `later`.

    A row that the host has locked, or whose property it is writing, is skipped.
    """
    async with conn.transaction():
        await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        locked = await _lock_order_keys(
            conn, sorted({row["property_id"] for row in rows if row["property_id"]})
        )
        keys = [
            row["id"] for row in rows if row["property_id"] is None or row["property_id"] in locked
        ]
        results = await conn.fetch(
            f"WITH batch AS MATERIALIZED (SELECT r FROM public.{table.table} r "
            "  WHERE r.id = ANY($1::uuid[]) ORDER BY r.id FOR SHARE SKIP LOCKED) "
            f"SELECT crm.adopt_{table.noun}(r, 'adopt', 'adopt') AS result FROM batch",
            keys,
        )
    words = [row["result"] for row in results]
    # Any other word is the reason why the row was refused.
    return Counter(word if word in ("new", "known", "later") else "refused" for word in words)


async def _lock_order_keys(conn: Connection, properties: Sequence[UUID]) -> set[UUID]:
    """Lock the order of these properties' events; return those that could be locked at once.

    With the whole order locked, the database need not lock each stream of the batch.
    """
    await conn.execute("SELECT set_config('crm.host_streams', '200', true)")
    if await _lock(conn, properties):
        return set(properties)
    return {key for key in properties if await _lock(conn, [key])}


async def _lock(conn: Connection, properties: Sequence[UUID]) -> bool:
    """Take the locks until the transaction ends; return False if that would have to wait."""
    try:
        async with conn.transaction():
            await conn.execute(
                "SELECT pg_advisory_xact_lock(crm.lock_of('order', key)) "
                "FROM unnest($1::uuid[]) AS key",
                properties,
            )
    except asyncpg.LockNotAvailableError:
        return False
    return True
