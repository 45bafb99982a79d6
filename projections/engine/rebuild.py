"""Rebuilding: a shadow is folded from history, made level with the live tables, swapped in.

Nothing here can cause a side effect: it reads the log or the bus and writes tables.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from events.log import sequencer
from events.log.connection import Connection
from projections.engine import adoption, checkpoints, compare, parked, shadow
from projections.engine.compare import Comparison
from projections.engine.outcome import Busy, Differs, Incomplete, Outcome
from projections.engine.parallel import each_table
from projections.engine.projection import DerivedTable
from projections.engine.projection_group import ProjectionGroup
from projections.engine.refold import Folder, Target
from projections.engine.shadow import Differing
from projections.engine.tail import Progress, Tail

REBUILD, VERIFY, OLD = "crm_rebuild", "crm_verify", "crm_old"
PATIENT = "SET LOCAL idle_in_transaction_session_timeout = '120s'"
"""The tail is reached on another connection while this one holds the checkpoints."""
SWAP_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Rebuild:
    """One rebuild of some projections of the live unit."""

    pool: asyncpg.Pool
    live: ProjectionGroup
    part: ProjectionGroup
    fold: Folder
    progress: Progress
    _omitted: dict[str, set[UUID]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    """Schema → the facts its twins do not hold, as their tail needs it."""

    async def verify(self) -> Outcome:
        """Fold afresh up to where the live tables are, compare, and leave no trace."""
        async with self._alone(VERIFY) as outcome:
            try:
                await self._make(VERIFY, outcome)
                async with self._level(VERIFY) as held:
                    outcome.comparisons = await self._compare(VERIFY, held)
            finally:
                async with self.pool.acquire() as conn:
                    await shadow.drop(conn, VERIFY)
                    await checkpoints.forget(conn, VERIFY)
        return outcome

    async def rebuild(self, *, repair: bool) -> Outcome:
        """Fold afresh, compare, and put the rebuilt tables in the live ones' place.

        Raises `Differs` where they differ, unless a repair is wanted or the version is new.
        """
        async with self._alone(REBUILD) as outcome:
            known = await self._make(REBUILD, outcome)
            async with self._level(REBUILD) as held:
                outcome.comparisons = await self._compare(REBUILD, held)
            if not outcome.equal and not repair and known:
                raise Differs(outcome.comparisons)
            same = {found.table for found in outcome.comparisons if found.equal and known}
            await self._swap([t for t in self.part.tables if t.kept and t.name not in same])
            outcome.swapped = True
        return outcome

    @asynccontextmanager
    async def _alone(self, schema: str) -> AsyncIterator[Outcome]:
        async with self.pool.acquire() as conn:
            if not await conn.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", schema):
                raise Busy(f"another {schema.removeprefix('crm_')} is running: wait for it")
            try:
                yield Outcome()
            finally:
                await conn.execute("SELECT pg_advisory_unlock(hashtext($1))", schema)

    async def _make(self, schema: str, outcome: Outcome) -> bool:
        """Fold the shadow and complete it; whether the live tables are of this very version."""
        async with self.pool.acquire() as conn:
            await adoption.demand(conn)
            state = await sequencer.state(conn)
            live = self.live
            await checkpoints.create(conn, live.name, live.version, state.generation)
            bounds, same_life, same_version = await self._bounds(conn, state.generation)
            target = Target(self.part, schema, await parked.skipped(conn, live.name))
            self._omitted[schema] = set(target.skipped)
            await shadow.create(conn, self.part.tables, schema)
            whole = await conn.fetchval(
                "SELECT count(*) FROM public.crm_events e "
                "JOIN unnest($1::smallint[], $2::bigint[]) AS bound (shard, upto) "
                "ON e.shard = bound.shard AND e.position <= upto",
                list(bounds),
                list(bounds.values()),
            )
            await self._fold(target, bounds, whole, outcome)
            keys = await shadow.foreign_keys(conn, self.part.tables)

            async def index(lane: Connection, table: DerivedTable) -> None:
                await shadow.index(lane, table, schema)

            await each_table(self.pool, self.part.tables, index, "indexes", self.progress)
            await shadow.refer(conn, keys, self.part.tables, schema)
            await checkpoints.begin(conn, schema, self.part.version, state.generation, bounds)
        return same_life and same_version

    async def _bounds(self, conn: Connection, generation: int) -> tuple[dict[int, int], bool, bool]:
        """How far to fold: where the live tables are, or the log's end where they are beyond it.

        What is parked was found up to there, also in another life of the log: what comes after it
        is for the live unit to apply or to park. Also whether the live tables are of this life of
        the log, and of this build's versions.
        """
        rows = await conn.fetch(
            "SELECT shard, position, generation, version FROM crm.checkpoints WHERE unit = $1",
            self.live.name,
        )
        changed = {word for row in rows for word in row["version"].split()}.symmetric_difference(
            self.live.version.split()
        )
        names = {word.rpartition(".")[0] for word in changed}
        if left_out := names & {p.name for p in self.live.projections} - {
            p.name for p in self.part.projections
        }:
            raise Incomplete(left_out)
        heads = await sequencer.heads(conn)
        bounds = {row["shard"]: min(row["position"], heads[row["shard"]]) for row in rows}
        same_life = all(row["generation"] == generation for row in rows)
        return bounds, same_life, not changed

    async def _fold(
        self, target: Target, bounds: Mapping[int, int], whole: int, outcome: Outcome
    ) -> None:
        def folded(count: int) -> None:
            outcome.events += count
            self.progress("events", outcome.events, whole)

        self.progress("events", 0, whole)
        await self.fold(target, bounds, folded)

    @asynccontextmanager
    async def _level(self, schema: str) -> AsyncIterator[Connection]:
        """Hold the live unit still for the moment in which the shadow becomes level with it.

        Yields a connection whose snapshot sees both level; the live unit goes on meanwhile.
        """
        tail = self._tail(schema)
        await tail.come_near(self.progress)
        async with self.pool.acquire() as snapshot:
            async with self.pool.acquire() as holder, holder.transaction():
                await holder.execute(PATIENT)
                await tail.reach(await checkpoints.hold(holder, self.live.name))
                await snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                await snapshot.execute("SELECT 1 FROM crm.log")
                await snapshot.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            try:
                yield snapshot
            finally:
                await snapshot.execute("ROLLBACK")

    def _tail(self, schema: str) -> Tail:
        return Tail(self.pool, self.live, self.part, schema, self._omitted[schema])

    async def _compare(self, schema: str, snapshot: Connection) -> list[Comparison]:
        """Compare every table in one snapshot, which other connections take part in."""
        host = await adoption.host_rows(snapshot, self.live.name)
        shared = await snapshot.fetchval("SELECT pg_export_snapshot()")

        async def one(lane: Connection, table: DerivedTable) -> Comparison:
            async with lane.transaction(isolation="repeatable_read", readonly=True):
                await lane.execute(f"SET TRANSACTION SNAPSHOT '{shared}'")
                await lane.execute("SET LOCAL statement_timeout = 0")
                return await compare.compare(lane, table, schema, host)

        return await each_table(self.pool, self.part.tables, one, "compare", self.progress)

    async def _swap(self, differing: Sequence[DerivedTable]) -> None:
        """Swap in one short transaction; who is in the way is waited for, a moment at a time."""
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
            keys = await shadow.foreign_keys(conn, self.part.tables)
            state = await sequencer.state(conn)
            async with conn.transaction():
                await conn.execute(PATIENT)
                await self._tail(REBUILD).reach(await checkpoints.hold(conn, self.live.name))
                await conn.execute("SET LOCAL crm.engine = 'on'")
                shared = await adoption.state(conn) != adoption.NONE
                referring = await shadow.swap(
                    conn, keys, self.part.tables, REBUILD, OLD, Differing(differing, shared)
                )
                reached = await checkpoints.positions(conn, REBUILD)
                await checkpoints.take_over(
                    conn, self.live.name, self.live.version, state.generation, reached
                )
                await parked.forget_beyond(conn, self.live.name)
                await checkpoints.forget(conn, REBUILD)
                await _note_versions(conn, self.part)
                await shadow.drop(conn, REBUILD)
            await shadow.validate(conn, referring)


async def _note_versions(conn: Connection, part: ProjectionGroup) -> None:
    await conn.executemany(
        "INSERT INTO crm.projections (name, version, rebuilt_at) "
        "VALUES ($1, $2, clock_timestamp()) ON CONFLICT (name) DO UPDATE "
        "SET version = excluded.version, rebuilt_at = excluded.rebuilt_at",
        [(projection.name, projection.version) for projection in part.projections],
    )
