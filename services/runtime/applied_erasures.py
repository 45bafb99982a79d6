"""The check whether the tables contain every erasure of persons whose data keys are destroyed.

In normal operation they do: keys are destroyed last. Tables that were restored from an older backup
have the texts of erased persons again, so that nothing may be served or sent before the erasures
are applied again.
"""

import asyncio

import asyncpg

from events.keys.store import Source
from events.log.erasures import ErasuresLost, ErasuresNotFolded, require_erasures
from services.runtime.clock import Clock
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.process import Checks, ProcessFunction
from services.runtime.settings import Settings

APPLIED_SECONDS = 5.0
"""Time after which a process that serves asks whether its database was replaced by another one."""
UNAPPLIED_SECONDS = 0.5
"""Time after which it looks at the erasures again while some are missing."""


async def require_folded_erasures(source: Source) -> None:
    """Raise `ErasuresLost` or `ErasuresNotFolded` while an erasure is missing in log or tables.

    A database that is not migrated yet has no erasure.
    """
    if not await source.fetchval("SELECT to_regclass('crm.staged_changes') IS NOT NULL"):
        return
    destroyed = await require_erasures(source)
    unfolded = await source.fetchval(
        "SELECT count(*) FROM unnest($1::uuid[]) AS destroyed (id) "
        "JOIN crm.erased_subjects erased ON erased.subject_id = destroyed.id "
        "WHERE NOT EXISTS (SELECT FROM crm_state.erased_subjects folded "
        "WHERE folded.subject_id = destroyed.id)",
        destroyed,
    )
    if unfolded:
        raise ErasuresNotFolded(unfolded)


def after_erasures(work: ProcessFunction) -> ProcessFunction:
    """Return the work of a process that sends something: it begins when the tables are complete."""

    async def check_and_work(
        settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock
    ) -> None:
        await _require_of(settings)
        await work(settings, stop, checks, clock)

    return check_and_work


async def _require_of(settings: DatabaseSettings) -> None:
    conn = await connect(settings, "crm erasures")
    try:
        await require_folded_erasures(conn)
    finally:
        await conn.close()


class AppliedErasures:
    """The erasures that are missing in the database of a process that serves requests.

    They are looked at when the process starts, and when the server or the table is another one
    than before: a restore replaces one of them.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool, self._lock = pool, asyncio.Lock()
        self._database: tuple[object, ...] | None = None
        """The identity of the database in which no erasure is missing."""
        self._problem: str | None = None
        self._valid_until = 0.0

    async def describe_delay(self) -> str | None:
        """Return what is missing, None if nothing is. Raise connection errors of the database."""
        if self._now() >= self._valid_until:
            async with self._lock:
                if self._now() >= self._valid_until:
                    await self._look()
        return self._problem

    async def _look(self) -> None:
        async with self._pool.acquire() as conn:
            row = await conn.fetchrow(
                "SELECT pg_postmaster_start_time(), to_regclass('crm.erased_subjects')::oid"
            )
            database = tuple(row or ())
            if database != self._database:
                self._database = self._problem = None
                try:
                    await require_folded_erasures(conn)
                    self._database = database
                except (ErasuresLost, ErasuresNotFolded) as error:
                    self._problem = str(error)
        pause = APPLIED_SECONDS if self._problem is None else UNAPPLIED_SECONDS
        self._valid_until = self._now() + pause

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
