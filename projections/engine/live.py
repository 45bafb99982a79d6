"""The live engine: owns shards, proves that nothing is missing, applies, and heals from the log.

Records may come twice, late, torn or not at all. Each carries the position before it in its shard,
so a batch is applied only where it joins what was applied before; a hole is read from the log.
While one batch is being written the next ones are folded.
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
from events.record import RecordedEvent
from projections.engine import apply, checkpoints, parked
from projections.engine.apply import Batch, Life
from projections.engine.backlog import Backlog
from projections.engine.checkpoints import Checkpoint
from projections.engine.working_set import TURN_EVENTS, Poison

FILL_EVENTS = 2_000
"""How many facts are read from the log at a time."""
HOLD_ROWS = 5_000
"""How many rows may stay in memory between batches."""


@dataclass(slots=True)
class Counts:
    """What happened since the start, in events."""

    projected: int = 0
    duplicates: int = 0
    healed: int = 0
    refused: int = 0
    parked: int = 0


class Engine:
    """Applies arrivals of the shards it owns. One at a time: callers queue on a lock."""

    def __init__(self, pool: asyncpg.Pool, life: Life, owner: str) -> None:
        self.pool, self.life, self.owner = pool, life, owner
        self.counts = Counts()
        self._work = life.group.work()
        self._held: dict[int, Checkpoint] = {}
        self._waiting: dict[int, set[UUID]] = {}
        self._far: set[int] = set()
        self._backlog = Backlog(self._work, self._write)
        self._lock = asyncio.Lock()

    @property
    def owned(self) -> frozenset[int]:
        return frozenset(self._held)

    @property
    def far(self) -> frozenset[int]:
        """Owned shards whose hole is longer than a page: no record is taken until `heal` came."""
        return frozenset(self._far)

    async def claim(self, shards: Sequence[int]) -> None:
        """Own these shards from now on. Waits for a zombie's transaction. Raises `WrongVersion`."""
        async with self._lock:
            with self._all_or_nothing():
                await self._level()
            self._work.forget()
            group = self.life.group
            async with self.pool.acquire() as conn, conn.transaction():
                held = await checkpoints.claim(
                    conn, group.name, group.version, self.life.generation, shards, self.owner
                )
                waiting = await parked.touched(conn, group.name, shards)
            for shard in shards:
                self._waiting.pop(shard, None)
                self._far.discard(shard)
            self._held |= held
            self._waiting |= waiting

    async def release(self, shards: Iterable[int] | None = None) -> None:
        """Let go of shards, all of them where none are named, after writing what is folded."""
        async with self._lock:
            try:
                with self._all_or_nothing():
                    await self._level()
            finally:
                self._drop(self._held.keys() if shards is None else shards)

    async def apply(self, arrivals: Sequence[Arrival]) -> None:
        """Apply what is new of these records, in order, and heal the holes before them.

        Returns when they are folded; `settle` waits until they are durable. Raises `Fenced`, and
        what asyncpg raises when the database is away: nothing is owned then, claim again.
        """
        async with self._lock:
            with self._all_or_nothing():
                recorded_events: list[RecordedEvent] = []
                reached = {shard: held.position for shard, held in self._held.items()}
                for came in arrivals:
                    if not self._is_new(came, reached):
                        continue
                    if came.previous != reached[came.shard]:
                        await self._project(recorded_events)
                        recorded_events = []
                        if await self._fill_page(came.shard, came.position):
                            self._far.add(came.shard)
                        reached[came.shard] = self._held[came.shard].position
                        continue
                    recorded_events.append(wire.decode(came))
                    reached[came.shard] = came.position
                    if not len(recorded_events) % TURN_EVENTS:
                        await asyncio.sleep(0)
                await self._project(recorded_events)

    async def settle(self) -> None:
        """Wait until everything folded so far is durable. Raises as `apply` does."""
        backlog, mark = self._backlog, self._backlog.folded
        while backlog.durable < mark:
            writing = backlog.writing
            if writing is not None and not writing.done():
                await asyncio.wait({writing})
                continue
            async with self._lock:  # what was written failed, or a fold is going on
                with self._all_or_nothing():
                    await self._level()

    async def behind(self) -> dict[int, int]:
        """Owned shard → the log's last position there, where it is beyond the checkpoint."""
        async with self.pool.acquire() as conn:
            heads = await sequencer.heads(conn)
        return {s: heads[s] for s, held in self._held.items() if heads.get(s, 0) > held.position}

    async def fill_gap(self, shard: int, upto: int) -> None:
        """Apply from the log what the bus has not brought, up to a position.

        Page by page, so that other shards' records get their turn. Raises as `apply` does.
        """
        more = True
        while more and shard in self._held:
            async with self._lock:
                with self._all_or_nothing():
                    more = shard in self._held and await self._fill_page(shard, upto)
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

    async def _fill_page(self, shard: int, upto: int) -> bool:
        """Apply the next facts of a shard from the log; whether there may be more."""
        at = self._held[shard].position
        if at >= upto:
            return False
        async with self.pool.acquire() as conn:
            rows = await read.shard_rows(conn, shard, after=at, upto=upto, limit=FILL_EVENTS)
        if not rows:
            self.counts.refused += 1
            return False
        self.counts.healed += len(rows)
        await self._project([read.decode(row) for row in rows])
        return len(rows) == FILL_EVENTS

    async def _project(self, recorded_events: Sequence[RecordedEvent]) -> None:
        """Fold facts while the last batch is written, then begin to write them."""
        if not recorded_events:
            return
        if len(self._work) > HOLD_ROWS:
            await self._level()
            self._work.forget()
        try:
            await self._backlog.room()
        except apply.BAD_ROW_ERRORS:
            await self._begin_again()
        self._backlog.shut()
        try:
            async with self.pool.acquire() as conn:
                folded = await apply.fold(
                    conn, self.life, self._work, recorded_events, self._held, self._waiting
                )
        except Poison:
            await self._begin_again(recorded_events)
            return
        apply.settle(self._held, self._waiting, folded)
        self._backlog.gather(folded)

    async def _level(self) -> None:
        """Wait until everything folded is durable, parking what cannot be."""
        self._backlog.open()
        try:
            await self._backlog.drain()
        except apply.BAD_ROW_ERRORS:
            await self._begin_again()

    async def _begin_again(self, recorded_events: Sequence[RecordedEvent] = ()) -> None:
        """A fact of those that are not durable, or of these, is guilty: park it, write the rest."""
        writing = self._backlog.writing
        if writing is not None:
            await asyncio.wait({writing})
        lost = self._backlog.withdraw()
        async with self.pool.acquire() as conn:
            if lost is not None:
                for shard, (believed, _) in lost.moves.items():
                    self._held[shard] = believed
                self._waiting = await parked.touched(conn, self.life.group.name, self._held)
                await self._isolate(conn, lost.recorded_events)
            await self._isolate(conn, recorded_events)
        self._backlog.settled()

    async def _isolate(self, conn: Connection, recorded_events: Sequence[RecordedEvent]) -> None:
        """Write facts of which some are guilty, those parked: nothing in memory is believed."""
        self.counts.parked += await apply.isolate(
            conn, self.life, self._work, recorded_events, self._held, self._waiting
        )
        self.counts.projected += len(recorded_events)

    async def _write(self, batch: Batch) -> None:
        async with self.pool.acquire() as conn:
            await apply.write(conn, self.life, batch)
        self.counts.projected += len(batch.folded.recorded_events)
        self.counts.parked += len(batch.folded.parkings)

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
        self.engine._backlog.withdraw()
        self.engine._backlog.settled()
        self.engine._drop(self.engine.owned)
