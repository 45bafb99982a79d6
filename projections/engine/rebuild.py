"""Rebuild and verification: fold shadow tables, make them level with live, compare, swap.

None of it can cause a side effect: it reads the log or the bus, and writes tables.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from events.log import sequencer
from events.log.connection import Connection
from events.log.locks import try_lock_name
from projections.engine import adoption, checkpoints, erasure, foreign_keys, parked, shadow
from projections.engine.compare import compare_tables
from projections.engine.derived_table import DerivedTable
from projections.engine.parallel import run_for_tables
from projections.engine.projection_group import ProjectionGroup
from projections.engine.rebuild_bounds import RebuildBounds, read_bounds
from projections.engine.rebuild_result import RebuildDifference, RebuildInProgress, RebuildResult
from projections.engine.shadow_fold import FoldTarget, HistoryFold
from projections.engine.standstill import find_standstill
from projections.engine.swap import InPlaceDifferences, swap
from projections.engine.tail import Progress, Tail

REBUILD, VERIFY, OLD = "crm_rebuild", "crm_verify", "crm_old"
"""The schemas of rebuilt tables, of verified tables, and of the tables before the last swap."""
LONG_IDLE_TIMEOUT = "SET LOCAL idle_in_transaction_session_timeout = '120s'"
"""The transaction that locks the checkpoints is idle while the tail uses another connection."""
SWAP_ATTEMPTS = 20
SWAP_STAGE = "swap"
"""The last stage. It is short, and must not be cancelled: it can be done already."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """One rebuild of some projections (`part`) of the live projection group."""

    pool: asyncpg.Pool
    live: ProjectionGroup
    part: ProjectionGroup
    fold: HistoryFold
    progress: Progress
    _omitted: dict[str, set[UUID]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """Schema → ids of the events that its shadow tables lack; see `Tail`."""

    async def verify(self) -> RebuildResult:
        """Build shadow tables up to the live positions, compare, and drop them."""
        async with self._lock_schema(VERIFY) as result:
            try:
                await self._build_shadow(VERIFY, result)
                async with self._level_snapshot(VERIFY) as snapshot:
                    result.parked = await parked.count(snapshot, self.live.name)
                    result.comparisons = await compare_tables(
                        self.pool, snapshot, self.part, self.live.name, VERIFY, self.progress
                    )
            finally:
                async with self.pool.acquire() as conn:
                    await shadow.drop(conn, VERIFY)
                    await checkpoints.delete(conn, VERIFY)
            async with self.pool.acquire() as conn:
                result.standstill = await find_standstill(conn, self.live)
        return result

    async def rebuild(self, *, repair: bool) -> RebuildResult:
        """Build shadow tables, compare, and swap them with the live tables.

        Raise `RebuildDifference` if comparable rows differ, unless `repair` is true.
        """
        async with self._lock_schema(REBUILD) as result:
            is_comparable = await self._build_shadow(REBUILD, result)
            async with self._level_snapshot(REBUILD) as snapshot:
                result.comparisons = await compare_tables(
                    self.pool, snapshot, self.part, self.live.name, REBUILD, self.progress
                )
            if is_comparable and not result.equal and not repair:
                raise RebuildDifference(result.comparisons)
            equal = {c.table for c in result.comparisons if c.equal and is_comparable}
            in_place = [table for table in self.part.tables if table.is_in_place]
            self.progress(SWAP_STAGE, 0, 1)
            await self._swap([table for table in in_place if table.name not in equal])
            self.progress(SWAP_STAGE, 1, 1)
            result.swapped = True
        return result

    @asynccontextmanager
    async def _lock_schema(self, schema: str) -> AsyncIterator[RebuildResult]:
        """Yield an empty result. Raise `RebuildInProgress` if another process has the lock."""
        # A lock of the transaction: behind a pooler, a session has no owner. It only waits.
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            if not await try_lock_name(conn, schema):
                raise RebuildInProgress(
                    f"another {schema.removeprefix('crm_')} is running: wait until it has ended"
                )
            yield RebuildResult()

    async def _build_shadow(self, schema: str, result: RebuildResult) -> bool:
        """Fold and complete shadow tables; return whether live rows must equal theirs."""
        async with self.pool.acquire() as conn:
            await adoption.require_adopted(conn)
            state = await sequencer.read_log_state(conn)
            live = self.live
            await checkpoints.create(conn, live.name, live.version, state.generation)
            bounds = await read_bounds(conn, live, self.part, state.generation)
            result.outdated = bounds.outdated
            skipped = await parked.read_skipped_ids(conn, live.name)
            self._omitted[schema] = set(skipped)
            await shadow.create(conn, self.part.tables, schema)
            total = await bounds.count_events(conn)
            await self._fold(FoldTarget(self.part, schema, skipped), bounds, total, result)
            keys = await foreign_keys.read_foreign_keys(conn, self.part.tables)

            erased = self.part.erased_subjects

            async def complete(lane: Connection, table: DerivedTable) -> None:
                if erased is not None:
                    await erasure.scrub_shadow(lane, table, erased, schema)
                await shadow.complete(lane, table, schema)

            await run_for_tables(self.pool, self.part.tables, complete, "indexes", self.progress)
            await foreign_keys.add_to_shadows(conn, keys, self.part.tables, schema)
            await checkpoints.recreate(
                conn, schema, self.part.version, state.generation, bounds.positions
            )
        return bounds.is_comparable

    async def _fold(
        self, target: FoldTarget, bounds: RebuildBounds, total: int, result: RebuildResult
    ) -> None:
        def report(count: int) -> None:
            result.events += count
            self.progress("events", result.events, total)

        self.progress("events", 0, total)
        await self.fold(target, bounds.positions, report)

    @asynccontextmanager
    async def _level_snapshot(self, schema: str) -> AsyncIterator[Connection]:
        """Yield a connection whose snapshot sees live and shadow tables at the same positions.

        The live checkpoints are locked only until the snapshot is taken. So the projectors wait
        for the last events of the tail, but not for the comparison.
        """
        tail = self._tail(schema)
        await tail.approach(self.progress)
        async with self.pool.acquire() as snapshot:
            reading = snapshot.transaction(isolation="repeatable_read", readonly=True)
            async with self.pool.acquire() as locking, locking.transaction():
                await locking.execute(LONG_IDLE_TIMEOUT)
                await tail.catch_up(await checkpoints.lock_positions(locking, self.live.name))
                await reading.start()
                await snapshot.execute("SELECT 1 FROM crm.log")  # the first query takes it
                await snapshot.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            try:
                yield snapshot
            finally:
                await reading.rollback()

    def _tail(self, schema: str) -> Tail:
        return Tail(self.pool, self.live, self.part, schema, self._omitted[schema])

    async def _swap(self, differing: Sequence[DerivedTable]) -> None:
        """Swap, and try again if others hold the locks: each attempt waits for a short time."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(
                (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
            ),
            stop=stop_after_attempt(SWAP_ATTEMPTS),
            wait=wait_random(0.1, 1.0),
            reraise=True,
        ):
            with attempt:
                await self._swap_once(differing)

    async def _swap_once(self, differing: Sequence[DerivedTable]) -> None:
        async with self.pool.acquire() as conn:
            keys = await foreign_keys.read_foreign_keys(conn, self.part.tables)
            state = await sequencer.read_log_state(conn)
            async with conn.transaction():
                await conn.execute(LONG_IDLE_TIMEOUT)
                # From here on no projector can write: the tail makes the shadow tables level with
                # the live tables, and they stay level until the commit.
                await self._tail(REBUILD).catch_up(
                    await checkpoints.lock_positions(conn, self.live.name)
                )
                await conn.execute("SET LOCAL crm.engine = 'on'")
                is_shared = await adoption.read_state(conn) != adoption.NONE
                differences = InPlaceDifferences(differing, is_shared)
                unvalidated = await swap(conn, keys, self.part.tables, REBUILD, OLD, differences)
                # The live checkpoints take the positions of the new tables. The new owner epoch
                # fences every consumer that has rows of the old tables in memory.
                reached = await checkpoints.positions(conn, REBUILD)
                await checkpoints.reset(
                    conn, self.live.name, self.live.version, state.generation, reached
                )
                await parked.delete_beyond_checkpoints(conn, self.live.name)
                await checkpoints.delete(conn, REBUILD)
                await _store_versions(conn, self.part)
                await shadow.drop(conn, REBUILD)
            await foreign_keys.validate(conn, unvalidated)


async def _store_versions(conn: Connection, part: ProjectionGroup) -> None:
    await conn.executemany(
        "INSERT INTO crm.projections (name, version, rebuilt_at) "
        "VALUES ($1, $2, clock_timestamp()) ON CONFLICT (name) DO UPDATE "
        "SET version = excluded.version, rebuilt_at = excluded.rebuilt_at",
        [(projection.name, projection.version) for projection in part.projections],
    )
