"""Adopting: every row the host has in tables the core shares becomes a fact, once, batch by batch.

The facts are made by the database (migration 0011), which makes the same ones when the host's other
code writes. A batch never waits for the host: what the host is writing is left for the next pass.
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
from services.adoption.tables import KINDS, Kind, look

BATCH_ROWS = 500
PASSES = 20
PAUSE_SECONDS = 0.5
"""Between passes, for the host to finish what it was writing."""
PATIENCE = "200ms"
"""Shorter than PostgreSQL waits before it looks for deadlocks and ends somebody's transaction."""

Progress: TypeAlias = Callable[[str, int], None]
"""Told (table, so many rows more are done)."""


class Busy(Exception):
    """Another `crm adopt` is running."""

    def __init__(self) -> None:
        super().__init__("another `crm adopt` is running: wait for it")


class NothingToAdopt(Exception):
    """The host has no rows of its own; whether it may write is for an operator to say."""

    def __init__(self) -> None:
        super().__init__(
            "there is nothing to adopt, and only the core writes these tables: say --open if the "
            "host's other code shall write leads, conversations and messages too"
        )


async def adopt(pool: asyncpg.Pool, progress: Progress, *, open_: bool = False) -> Counter[str]:
    """Adopt whatever can be; table → new facts. Nothing is left to do only if `complete` says so.

    From the first moment on the host's other code may write: the database logs it. Raises `Busy`,
    `NothingToAdopt`.
    """
    new: Counter[str] = Counter()
    async with _alone(pool):
        await _open(pool, unasked=not open_)
        for number in range(PASSES):
            if number:
                await asyncio.sleep(PAUSE_SECONDS)
            later = 0
            for kind in KINDS:
                later += await _pass(pool, kind, progress, new)
            if not later:
                break
    return new


async def complete(pool: asyncpg.Pool) -> bool:
    """Note that adoption is complete, where every row is a fact or cannot be one."""
    if any(found.to_adopt for found in await look(pool)):
        return False
    async with pool.acquire() as conn:
        await conn.execute(
            "UPDATE crm.adoption SET state = $1, completed_at = clock_timestamp() WHERE state = $2",
            adoption.COMPLETE,
            adoption.OPEN,
        )
    return True


@asynccontextmanager
async def _alone(pool: asyncpg.Pool) -> AsyncIterator[None]:
    async with pool.acquire() as conn:
        if not await conn.fetchval("SELECT pg_try_advisory_lock(hashtext('crm adopt'))"):
            raise Busy
        try:
            yield
        finally:
            await conn.execute("SELECT pg_advisory_unlock(hashtext('crm adopt'))")


async def _open(pool: asyncpg.Pool, *, unasked: bool) -> None:
    async with pool.acquire() as conn:
        if await adoption.state(conn) != adoption.NONE:
            return
        if unasked and not any(
            [
                await conn.fetchval(f"SELECT EXISTS (SELECT FROM public.{kind.table} r "
                                    f"WHERE {kind.waiting})")
                for kind in KINDS
            ]
        ):  # fmt: skip
            raise NothingToAdopt
        await conn.execute("SELECT crm.open_adoption()")


async def _pass(pool: asyncpg.Pool, kind: Kind, progress: Progress, new: Counter[str]) -> int:
    """Go through a table once, in the order of its keys; how many rows are to be tried again."""
    after, later = UUID(int=0), 0
    async with pool.acquire() as conn:
        while True:
            rows = await conn.fetch(
                f"SELECT r.id, {kind.home} AS home FROM {kind.source} "
                f"WHERE r.id > $1 AND {kind.waiting} ORDER BY r.id LIMIT {BATCH_ROWS}",
                after,
            )
            if not rows:
                return later
            after = rows[-1]["id"]
            told = await _batch(conn, kind, rows)
            if told["new"]:
                new[kind.table] += told["new"]
            later += len(rows) - told["new"] - told["refused"] - told["known"]
            progress(kind.table, told["new"])


async def _batch(conn: Connection, kind: Kind, rows: Sequence[asyncpg.Record]) -> Counter[str]:
    """Adopt rows in one transaction, holding their properties alone: new, known, refused, later."""
    async with conn.transaction():
        await conn.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        held = await _hold(conn, sorted({row["home"] for row in rows if row["home"]}))
        found = await conn.fetch(
            f"WITH batch AS MATERIALIZED (SELECT r FROM public.{kind.table} r "
            "  WHERE r.id = ANY($1::uuid[]) ORDER BY r.id FOR SHARE SKIP LOCKED) "
            f"SELECT crm.adopt_{kind.noun}(r, 'adopt', 'adopt') AS told FROM batch",
            [row["id"] for row in rows if row["home"] is None or row["home"] in held],
        )
    words = [row["told"] for row in found]
    return Counter(word if word in ("new", "known", "later") else "refused" for word in words)


async def _hold(conn: Connection, properties: Sequence[UUID]) -> set[UUID]:
    """Hold these properties' order alone, those that can be had at once; which they are."""
    await conn.execute("SELECT set_config('crm.host_streams', '200', true)")
    if await _lock(conn, properties):
        return set(properties)
    return {key for key in properties if await _lock(conn, [key])}


async def _lock(conn: Connection, properties: Sequence[UUID]) -> bool:
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
