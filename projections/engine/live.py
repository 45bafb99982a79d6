"""The live engine: owns shards, proves that nothing is missing, applies, and heals from the log.

Records may come twice, late, torn or not at all. Each carries the position before it in its shard,
so a batch is applied only where it joins what was applied before; a hole is read from the log.
While one batch is being written the next is folded.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from events.bus import wire
from events.bus.wire import Arrival
from events.log import read, sequencer
from events.log.connection import Connection
from events.record import Recorded
from projections.engine import apply, checkpoints, parked
from projections.engine.apply import Batch, Life
from projections.engine.checkpoints import Checkpoint
from projections.engine.work import TURN_EVENTS, Poison

HEAL_EVENTS = 2_000
"""How many facts are read from the log at a time."""
HOLD_ROWS = 40_000
"""How many rows may stay in memory between batches."""


@dataclass(slots=True)
class Counts:
    """What happened since the start, in events."""

    projected: int = 0
    duplicates: int = 0
    healed: int = 0
    refused: int = 0
    parked: int = 0


@dataclass(slots=True)
class _Writing:
    batch: Batch
    task: "asyncio.Task[None]"


class Engine:
    """Applies arrivals of the shards it owns. One at a time: callers queue on a lock."""

    def __init__(self, pool: asyncpg.Pool, life: Life, owner: str) -> None:
        self.pool, self.life, self.owner = pool, life, owner
        self.counts = Counts()
        self._work = life.unit.work()
        self._held: dict[int, Checkpoint] = {}
        self._waiting: dict[int, set[UUID]] = {}
        self._far: set[int] = set()
        self._writing: _Writing | None = None
        self._lock = asyncio.Lock()

    @property
    def owned(self) -> frozenset[int]:
        return frozenset(self._held)

    async def claim(self, shards: Sequence[int]) -> None:
        """Own these shards from now on. Waits for a zombie's transaction. Raises `WrongVersion`."""
        async with self._lock:
            await self._finish()
            self._work.forget()
            unit = self.life.unit
            async with self.pool.acquire() as conn, conn.transaction():
                held = await checkpoints.claim(
                    conn, unit.name, unit.version, self.life.generation, shards, self.owner
                )
                waiting = await parked.touched(conn, unit.name, shards)
            for shard in shards:
                self._waiting.pop(shard, None)
                self._far.discard(shard)
            self._held |= held
            self._waiting |= waiting

    async def release(self, shards: Iterable[int] | None = None) -> None:
        """Let go of shards, all of them where none are named, after writing what is folded."""
        async with self._lock:
            try:
                await self._finish()
            finally:
                self._drop(self._held.keys() if shards is None else shards)

    async def apply(self, arrivals: Sequence[Arrival]) -> None:
        """Apply what is new of these records, in order, and heal the holes before them.

        Returns when the last batch before this one is durable. Raises `Fenced`, and what asyncpg
        raises when the database is away: nothing is owned then, claim again.
        """
        async with self._lock:
            with self._all_or_nothing():
                facts: list[Recorded] = []
                reached = {shard: held.position for shard, held in self._held.items()}
                for came in arrivals:
                    if not self._is_new(came, reached):
                        continue
                    if came.previous != reached[came.shard]:
                        await self._project(facts)
                        facts = []
                        if await self._heal_page(came.shard, came.position):
                            self._far.add(came.shard)
                        reached[came.shard] = self._held[came.shard].position
                        continue
                    facts.append(wire.recorded(came))
                    reached[came.shard] = came.position
                    if not len(facts) % TURN_EVENTS:
                        await asyncio.sleep(0)
                await self._project(facts)

    async def settle(self) -> None:
        """Wait until everything folded is durable."""
        async with self._lock:
            with self._all_or_nothing():
                if failed := await self._finish():
                    async with self.pool.acquire() as conn:
                        await self._isolate(conn, failed)

    async def behind(self) -> dict[int, int]:
        """Owned shard → the log's last position there, where it is beyond the checkpoint."""
        async with self.pool.acquire() as conn:
            heads = await sequencer.heads(conn)
        return {s: heads[s] for s, held in self._held.items() if heads.get(s, 0) > held.position}

    async def heal(self, shard: int, upto: int) -> None:
        """Apply from the log what the bus has not brought, up to a position.

        Page by page, so that other shards' records get their turn. Raises as `apply` does.
        """
        more = True
        while more and shard in self._held:
            async with self._lock:
                with self._all_or_nothing():
                    more = shard in self._held and await self._heal_page(shard, upto)
        self._far.discard(shard)

    def _is_new(self, came: Arrival, reached: dict[int, int]) -> bool:
        if came.generation != self.life.generation:
            self.counts.refused += 1
            return False
        if came.shard not in reached or came.shard in self._far:
            return False
        if came.position <= reached[came.shard]:
            self.counts.duplicates += 1
            return False
        return True

    async def _heal_page(self, shard: int, upto: int) -> bool:
        """Apply the next facts of a shard from the log; whether there may be more."""
        at = self._held[shard].position
        if at >= upto:
            return False
        async with self.pool.acquire() as conn:
            rows = await read.shard_rows(conn, shard, after=at, upto=upto, limit=HEAL_EVENTS)
        if not rows:
            self.counts.refused += 1
            return False
        self.counts.healed += len(rows)
        await self._project([read.recorded(row) for row in rows])
        return len(rows) == HEAL_EVENTS

    async def _project(self, facts: Sequence[Recorded]) -> None:
        """Fold facts while the last batch is written, then begin to write them."""
        if not facts:
            return
        async with self.pool.acquire() as conn:
            if len(self._work) > HOLD_ROWS:
                await self._isolate(conn, await self._finish())
                self._work.forget()
            try:
                batch = await apply.prepare(
                    conn, self.life, self._work, facts, self._held, self._waiting
                )
            except Poison:
                batch = None
            failed = await self._finish()
            if batch is None or failed:
                await self._isolate(conn, failed)
                await self._isolate(conn, facts)
                return
        apply.settle(self._held, self._waiting, batch)
        self._writing = _Writing(batch, asyncio.create_task(self._write(batch)))

    async def _isolate(self, conn: Connection, facts: Sequence[Recorded]) -> None:
        """Write facts of which some are guilty, those parked: nothing in memory is believed."""
        self.counts.parked += await apply.isolate(
            conn, self.life, self._work, facts, self._held, self._waiting
        )
        self.counts.projected += len(facts)

    async def _write(self, batch: Batch) -> None:
        async with self.pool.acquire() as conn:
            await apply.write(conn, self.life, batch)
        self.counts.projected += len(batch.facts)
        self.counts.parked += len(batch.parkings)

    async def _finish(self) -> Sequence[Recorded]:
        """Wait for the batch being written; its facts come back where one of them is guilty."""
        writing, self._writing = self._writing, None
        if writing is None:
            return ()
        try:
            await writing.task
        except apply.GUILTY:
            for shard, (believed, _) in writing.batch.moves.items():
                self._held[shard] = believed
            async with self.pool.acquire() as conn:
                self._waiting = await parked.touched(conn, self.life.unit.name, self._held)
            return writing.batch.facts
        return ()

    def _drop(self, shards: Iterable[int]) -> None:
        for shard in list(shards):
            self._held.pop(shard, None)
            self._waiting.pop(shard, None)
            self._far.discard(shard)
        self._work.forget()

    def _all_or_nothing(self) -> "_LetGo":
        return _LetGo(self)


@dataclass(slots=True)
class _LetGo:
    """After an error nothing is believed any more: every shard is let go of, to be claimed anew."""

    engine: Engine

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if writing := self.engine._writing:
            writing.task.cancel()
            self.engine._writing = None
        self.engine._drop(self.engine.owned)
