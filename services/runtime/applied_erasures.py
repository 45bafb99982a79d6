"""The check whether the tables contain every erasure of persons whose data keys are destroyed.

In normal operation they do: keys are destroyed last. Tables that were restored from an older backup
have the texts of erased persons again, so that nothing may be served or sent before the erasures
are applied again.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import asyncpg

from events.keys import store
from events.keys.ring import current_ring
from events.keys.store import Source
from events.log.erasures import ErasuresLost, ErasuresNotFolded, require_erasures
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, pooled
from services.runtime.process import Checks, ProcessFunction, sleep_unless
from services.runtime.settings import Settings
from services.runtime.tasks import end_tasks

APPLIED_SECONDS = 5.0
"""Time after which a process that serves asks whether its database was replaced by another one."""
UNAPPLIED_SECONDS = 0.5
"""Time after which it looks at the erasures again while some are missing."""
SENDER_SECONDS = 1.0
"""Time after which a process that sends looks again."""


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
    """Return the work of a process that sends something: it begins when the tables are complete.

    If the database is replaced by an older one meanwhile, the work is stopped, and the error is
    raised when it has finished what it began.
    """

    async def check_and_work(
        settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock
    ) -> None:
        async with pooled(settings, "crm erasures", size=1) as pool:
            erasures, stop_work = AppliedErasures(pool), asyncio.Event()
            await erasures.require()
            watching = asyncio.create_task(_stop_when_missing(erasures, stop, stop_work))
            try:
                await work(settings, stop_work, checks, clock)
                if watching.done():
                    watching.result()
            finally:
                await end_tasks([watching])

    return check_and_work


async def _stop_when_missing(
    erasures: "AppliedErasures", stop: asyncio.Event, stop_work: asyncio.Event
) -> None:
    """Set `stop_work` after `stop`, or if erasures are missing, and raise what is missing then."""
    try:
        while not await sleep_unless(stop, SENDER_SECONDS):
            with suppress(*CONNECTION_ERRORS, *TRANSACTION_ERRORS):
                await erasures.require()
    finally:
        stop_work.set()


class AppliedErasures:
    """The erasures that are missing in the database of a process that serves or sends.

    All are looked at when the process starts, and when the server, the table or the number of its
    rows is another one than before: a restore replaces one of them. Those that the tables lack are
    looked at each time: after a restore of log and key store, the keys are destroyed again later.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool, self._lock = pool, asyncio.Lock()
        self._database: tuple[object, ...] | None = None
        """The identity of the database in which no erasure is missing."""
        self._problem: ErasuresLost | ErasuresNotFolded | None = None
        self._valid_until = 0.0

    async def describe_delay(self) -> str | None:
        """Return what is missing, None if nothing is. Raise connection errors of the database."""
        if self._now() >= self._valid_until:
            async with self._lock:
                if self._now() >= self._valid_until:
                    await self._look()
        return None if self._problem is None else str(self._problem)

    async def require(self) -> None:
        """Look now; raise `ErasuresLost` or `ErasuresNotFolded` if something is missing."""
        await self._look()
        if self._problem is not None:
            raise self._problem

    async def _look(self) -> None:
        async with self._pool.acquire() as conn:
            server = await conn.fetchrow(
                "SELECT pg_postmaster_start_time(), to_regclass('crm.erased_subjects')::oid, "
                "to_regclass('crm.staged_changes')::oid"
            )
            unfolded: list[UUID] = []
            database = tuple(server or ())
            if all(database):
                count, unfolded = await conn.fetchrow(_UNFOLDED) or (0, [])
                database = (*database, count)
            try:
                if database != self._database:
                    self._database = None
                    await require_folded_erasures(conn)
                elif unfolded:
                    await _require_keys(conn, unfolded)
                self._database, self._problem = database, None
            except (ErasuresLost, ErasuresNotFolded) as error:
                self._problem = error
        pause = APPLIED_SECONDS if self._problem is None else UNAPPLIED_SECONDS
        self._valid_until = self._now() + pause

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_UNFOLDED = """
    SELECT (SELECT count(*) FROM crm.erased_subjects), ARRAY(
      SELECT subject_id FROM crm.erased_subjects erased WHERE NOT EXISTS (
        SELECT FROM crm_state.erased_subjects folded
        WHERE folded.subject_id = erased.subject_id))
"""


async def _require_keys(source: Source, unfolded: Sequence[UUID]) -> None:
    """Raise `ErasuresNotFolded` if keys of these subjects are destroyed already."""
    keys = await store.read_keys_of(await current_ring().store_of(source), unfolded)
    if destroyed := sum(key.wrapped is None for key in keys.values()):
        raise ErasuresNotFolded(destroyed)
