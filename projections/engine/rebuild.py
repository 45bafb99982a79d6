"""Rebuilding: a shadow is folded from history, made level with the live tables, swapped in.

Nothing here can cause a side effect: it reads the log or the bus and writes tables.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from events.log import read, sequencer
from events.log.connection import Connection
from projections.engine import apply, checkpoints, compare, refold, shadow
from projections.engine.apply import Life
from projections.engine.checkpoints import Checkpoint
from projections.engine.compare import Comparison
from projections.engine.refold import Target
from projections.engine.unit import Unit

REBUILD, VERIFY, OLD = "crm_rebuild", "crm_verify", "crm_old"
LEVEL_EVENTS = 5_000
TAIL_ROUNDS = 50
SWAP_ATTEMPTS = 20

Source = Callable[[Mapping[int, int]], AsyncIterator[refold.Pages]]
"""Given shard → upper bound, the histories to fold: each holds whole shards."""
Progress = Callable[[str, int, int], None]
"""Told (stage, done, whole): events while folding, tables and rounds otherwise."""


class Differs(Exception):
    """The rebuilt rows are not the live rows although both are of one version."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        names = ", ".join(c.table for c in comparisons if not c.equal)
        super().__init__(
            f"live and rebuilt rows differ in {names}: nothing was swapped. Look at the "
            "differences; `--repair` swaps the rebuilt rows in"
        )
        self.comparisons = comparisons


class Busy(Exception):
    """Another rebuild or verification is running."""


@dataclass(slots=True)
class Outcome:
    """What a rebuild did."""

    events: int = 0
    comparisons: list[Comparison] = field(default_factory=list)
    swapped: bool = False

    @property
    def equal(self) -> bool:
        return all(comparison.equal for comparison in self.comparisons)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """One rebuild of some projections of the live unit."""

    pool: asyncpg.Pool
    live: Unit
    part: Unit
    source: Source
    progress: Progress

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
            await self._swap()
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
            state = await sequencer.state(conn)
            live = self.live
            await checkpoints.create(conn, live.name, live.version, state.generation)
            bounds, same_life, same_version = await self._bounds(conn, state.generation)
            target = Target(self.part, schema, await skipped(conn, live.name))
            await shadow.create(conn, self.part.tables, schema)
            whole = await conn.fetchval(
                "SELECT count(*) FROM public.crm_events e "
                "JOIN unnest($1::smallint[], $2::bigint[]) AS bound (shard, upto) "
                "ON e.shard = bound.shard AND e.position <= upto",
                list(bounds),
                list(bounds.values()),
            )
            await _forget(conn, schema)
            await self._fold(target, bounds, whole, outcome)
            keys = await shadow.foreign_keys(conn, self.part.tables)
            for number, table in enumerate(self.part.tables):
                self.progress("indexes", number, len(self.part.tables))
                await shadow.index(conn, table, schema)
            await shadow.refer(conn, keys, self.part.tables, schema)
            self.progress("indexes", len(self.part.tables), len(self.part.tables))
            await _begin_tail(conn, schema, self.part.version, state.generation, bounds)
        return same_life and same_version

    async def _bounds(self, conn: Connection, generation: int) -> tuple[dict[int, int], bool, bool]:
        """How far to fold: where the live tables are, or the whole log when that says nothing."""
        rows = await conn.fetch(
            "SELECT shard, position, generation, version FROM crm.checkpoints WHERE unit = $1",
            self.live.name,
        )
        same_life = all(row["generation"] == generation for row in rows)
        same_version = all(row["version"] == self.live.version for row in rows)
        if not same_life:
            return await sequencer.heads(conn), False, same_version
        return {row["shard"]: row["position"] for row in rows}, True, same_version

    async def _fold(
        self, target: Target, bounds: Mapping[int, int], whole: int, outcome: Outcome
    ) -> None:
        self.progress("events", 0, whole)
        async for pages in self.source(bounds):

            async def counted(pages: refold.Pages = pages) -> refold.Pages:
                async for page in pages:
                    yield page
                    outcome.events += len(page)
                    self.progress("events", outcome.events, whole)

            await refold.refold(self.pool, target, counted())

    @asynccontextmanager
    async def _level(self, schema: str) -> AsyncIterator[Connection]:
        """Hold the live unit still for the moment in which the shadow becomes level with it.

        Yields a connection whose snapshot sees both level; the live unit goes on meanwhile.
        """
        await self._tail(schema)
        async with self.pool.acquire() as snapshot:
            async with self.pool.acquire() as holder, holder.transaction():
                bounds = await self._hold(holder)
                await self._tail_to(schema, bounds)
                await snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                await snapshot.execute("SELECT 1 FROM crm.log")
            try:
                await snapshot.execute("SET LOCAL statement_timeout = 0")
                yield snapshot
            finally:
                await snapshot.execute("ROLLBACK")

    async def _hold(self, holder: Connection) -> dict[int, int]:
        await holder.execute("SET LOCAL idle_in_transaction_session_timeout = '120s'")
        rows = await holder.fetch(
            "SELECT shard, position FROM crm.checkpoints WHERE unit = $1 ORDER BY shard FOR UPDATE",
            self.live.name,
        )
        return {row["shard"]: row["position"] for row in rows}

    async def _tail(self, schema: str) -> None:
        """Come close to the live unit without holding it."""
        for number in range(TAIL_ROUNDS):
            self.progress("tail", number, TAIL_ROUNDS)
            async with self.pool.acquire() as conn:
                bounds = await checkpoints.positions(conn, self.live.name)
            if await self._tail_to(schema, bounds) < LEVEL_EVENTS:
                break
        self.progress("tail", TAIL_ROUNDS, TAIL_ROUNDS)

    async def _tail_to(self, schema: str, bounds: Mapping[int, int]) -> int:
        """Apply to the shadow what came since it was folded, up to `bounds`; how much that was."""
        async with self.pool.acquire() as conn:
            state = await sequencer.state(conn)
            life = Life(self._tailing(schema), state.generation, schema)
            rows = await conn.fetch("SELECT * FROM crm.checkpoints WHERE unit = $1", schema)
            held = {r["shard"]: Checkpoint(r["position"], r["owner_epoch"]) for r in rows}
            omit = await skipped(conn, self.live.name)
            work, count = life.unit.work(), 0
            for shard, upto in bounds.items():
                async for page in read.shard_pages(
                    conn, shard, after=held[shard].position, upto=upto, limit=LEVEL_EVENTS
                ):
                    facts = [read.recorded(row) for row in page]
                    batch = await apply.prepare(
                        conn, life, work, [fact for fact in facts if fact.id not in omit], held, {}
                    )
                    moves = {shard: (held[shard], facts[-1].position)}
                    await apply.write(
                        conn, life, apply.Batch(batch.facts, batch.changes, (), moves)
                    )
                    held[shard] = Checkpoint(facts[-1].position, held[shard].epoch)
                    count += len(facts)
        return count

    def _tailing(self, schema: str) -> Unit:
        return Unit(schema, self.part.projections)

    async def _compare(self, schema: str, conn: Connection) -> list[Comparison]:
        found = []
        for number, table in enumerate(self.part.tables):
            self.progress("compare", number, len(self.part.tables))
            found += await compare.compare(conn, [table], schema)
        self.progress("compare", len(self.part.tables), len(self.part.tables))
        return found

    async def _swap(self) -> None:
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
                await self._swap_once()

    async def _swap_once(self) -> None:
        async with self.pool.acquire() as conn:
            keys = await shadow.foreign_keys(conn, self.part.tables)
            state = await sequencer.state(conn)
            async with conn.transaction():
                bounds, same_life, _ = await self._bounds(conn, state.generation)
                if same_life:
                    bounds = await self._hold(conn)
                await self._tail_to(REBUILD, bounds)
                await conn.execute("SET LOCAL crm.engine = 'on'")
                referring = await shadow.swap(conn, keys, self.part.tables, REBUILD, OLD)
                await _take_over(conn, self.live, state.generation, bounds, self.part)
                await shadow.drop(conn, REBUILD)
            await shadow.validate(conn, referring)


async def skipped(conn: Connection, unit: str) -> frozenset[UUID]:
    """Facts the tables do not show: those parked now, and those dropped for ever."""
    rows = await conn.fetch("SELECT event_id FROM crm.parked WHERE unit = $1", unit)
    return frozenset(row["event_id"] for row in rows) | await dropped(conn, unit)


async def dropped(conn: Connection, unit: str) -> frozenset[UUID]:
    """Facts an operator has given up: no table ever shows them."""
    rows = await conn.fetch(
        "SELECT (payload ->> 'dropped_event_id')::uuid AS id FROM public.crm_events "
        "WHERE event_type = 'parked.dropped' AND payload ->> 'unit' = $1",
        unit,
    )
    return frozenset(row["id"] for row in rows)


async def _forget(conn: Connection, unit: str) -> None:
    await conn.execute("DELETE FROM crm.checkpoints WHERE unit = $1", unit)
    await conn.execute("DELETE FROM crm.parked WHERE unit = $1", unit)


async def _begin_tail(
    conn: Connection, unit: str, version: str, generation: int, bounds: Mapping[int, int]
) -> None:
    await checkpoints.create(conn, unit, version, generation)
    await conn.execute(
        "UPDATE crm.checkpoints SET position = upto FROM unnest($2::smallint[], $3::bigint[]) "
        "AS bound (shard, upto) WHERE unit = $1 AND checkpoints.shard = bound.shard",
        unit,
        list(bounds),
        list(bounds.values()),
    )


async def _take_over(
    conn: Connection,
    live: Unit,
    generation: int,
    bounds: Mapping[int, int],
    part: Unit,
) -> None:
    """The live checkpoints now speak of the new tables; whoever wrote the old ones is fenced."""
    await conn.execute(
        "UPDATE crm.checkpoints SET owner_epoch = owner_epoch + 1, version = $2, generation = $3, "
        "position = upto FROM unnest($4::smallint[], $5::bigint[]) AS bound (shard, upto) "
        "WHERE unit = $1 AND checkpoints.shard = bound.shard",
        live.name,
        live.version,
        generation,
        list(bounds),
        list(bounds.values()),
    )
    await _forget(conn, REBUILD)
    await conn.executemany(
        "INSERT INTO crm.projections (name, version, rebuilt_at) "
        "VALUES ($1, $2, clock_timestamp()) ON CONFLICT (name) DO UPDATE "
        "SET version = excluded.version, rebuilt_at = excluded.rebuilt_at",
        [(projection.name, projection.version) for projection in part.projections],
    )


def log_source(pool: asyncpg.Pool) -> Source:
    """Every shard from the log, one after the other."""

    async def shards(bounds: Mapping[int, int]) -> AsyncIterator[refold.Pages]:
        for shard, upto in bounds.items():
            if upto:
                yield refold.from_log(pool, shard, upto)

    return shards
