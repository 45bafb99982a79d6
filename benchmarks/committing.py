"""Measurement of single commits on one connection and on sixteen: commands, and the floor.

The floor is an INSERT and a commit of the same rows into an empty table with the columns, indexes
and constraints of the log.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from benchmarks.engaging import EngagedLead, record_engagement
from benchmarks.floor import LOG_COLUMNS
from events.engagements import EngagementType
from services.application.stream_cache import StreamCache
from services.runtime.database import pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.settings import Settings

CLIENTS = 16
WARM_UP = 5
"""Commits of each connection before the measurement, so that statements are prepared."""
_ENGAGEMENTS = (
    f"SELECT {LOG_COLUMNS} FROM crm_events WHERE event_type = 'engagement.recorded' "
    "AND origin = 'live' ORDER BY seq LIMIT $1"
)
Commit = Callable[[asyncpg.Pool, asyncpg.Record], Awaitable[None]]


async def commands(settings: Settings, events: int, durable: bool) -> dict[str, float]:
    """Measure commands that record an engagement."""
    cache = StreamCache()

    async def commit(pool: asyncpg.Pool, row: asyncpg.Record) -> None:
        lead = EngagedLead(row["org_id"], row["property_id"], row["lead_id"])
        kind = EngagementType(row["payload"]["event_type"])
        await record_engagement(pool, lead, kind, cache)

    return await _measure(settings, events, durable, commit)


async def inserts(settings: Settings, events: int, durable: bool) -> dict[str, float]:
    """Measure the floor."""
    return await _measure(settings, events, durable, _insert)


async def _measure(
    settings: Settings, events: int, durable: bool, commit: Commit
) -> dict[str, float]:
    collect_rarely()  # as in the API
    async with pooled(settings, "bench commits", role=None, size=1) as owner:
        await owner.execute("CREATE TABLE bare_events (LIKE crm_events INCLUDING ALL)")
        if not durable:
            database = await owner.fetchval("SELECT quote_ident(current_database())")
            await owner.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
        rows = await owner.fetch(_ENGAGEMENTS, 2 * events + WARM_UP * CLIENTS)
    async with pooled(settings, "bench commits", role=None, size=CLIENTS) as pool:
        warm_up = WARM_UP * CLIENTS
        await _time_clients(pool, rows[:warm_up], CLIENTS, commit)
        rows = rows[warm_up:]
        return {
            "events": events,
            "seconds": await _time_clients(pool, rows[:events], 1, commit),
            "seconds_on_16": await _time_clients(pool, rows[events:], CLIENTS, commit),
        }


async def _time_clients(
    pool: asyncpg.Pool, rows: Sequence[asyncpg.Record], clients: int, commit: Commit
) -> float:
    """Return the seconds in which this many clients commit their parts of the rows."""

    async def commit_all(part: Sequence[asyncpg.Record]) -> None:
        for row in part:
            await commit(pool, row)

    started = time.perf_counter()
    await asyncio.gather(*(commit_all(rows[number::clients]) for number in range(clients)))
    return time.perf_counter() - started


async def _insert(pool: asyncpg.Pool, row: asyncpg.Record) -> None:
    await pool.execute(_INSERT, *row)


_INSERT = (
    f"INSERT INTO bare_events ({LOG_COLUMNS}) VALUES "
    f"({', '.join(f'${n}' for n in range(1, 1 + len(LOG_COLUMNS.split(','))))})"
)
