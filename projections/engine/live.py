"""The live engine: owns shards, applies received records in order, and fills gaps from the log.

A record may arrive twice, late or never. Each record carries the position before it in its shard,
so the engine applies a record only if it follows the last applied one, and reads the missing events
from the log otherwise. What it does with an event is the work of its pipeline.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from events.bus import wire
from events.bus.wire import ReceivedRecord
from events.log import read, sequencer
from events.record import RecordedEvent
from projections.engine import checkpoints
from projections.engine.checkpoints import FencingError
from projections.engine.pipeline import Pipeline
from projections.engine.shard_heads import ShardHeads
from projections.engine.working_set import SLICE_EVENTS

FILL_EVENTS = 2_000
"""Events that are read from the log at a time."""


class Engine:
    """Applies records of the shards that it owns.

    Calls run one after the other: a lock orders them. After an error the engine owns no shard,
    because its memory may differ from the tables; the caller must own the shards again.
    """

    def __init__(self, pipeline: Pipeline, owner: str) -> None:
        self.pipeline, self.owner = pipeline, owner
        self.pool, self.group, self.generation = pipeline.pool, pipeline.group, pipeline.generation
        self._owned, self.counts = pipeline.owned, pipeline.counts
        self._lock, self._heads = asyncio.Lock(), ShardHeads(pipeline.pool)

    @property
    def owned_shards(self) -> frozenset[int]:
        return frozenset(self._owned.checkpoints)

    @property
    def is_busy(self) -> bool:
        """Return whether events are being applied: then it is no fault that nothing is read."""
        return self._lock.locked()

    @property
    def lagging_shards(self) -> frozenset[int]:
        """Return the owned shards whose gap is longer than a page.

        Their records are skipped until `fill_gap` has read the whole gap.
        """
        return frozenset(self._owned.lagging)

    async def own(self, shards: Sequence[int]) -> None:
        """Own these shards from now on. Raise `WrongVersion`.

        Waits until an open transaction of the former owner has ended.
        """
        async with self._lock:
            with self._releasing_on_error():
                await self.pipeline.drain()
            # The former owner may have written rows of these shards: load them again.
            self.pipeline.forget()
            group = self.group
            async with self.pool.acquire() as conn, conn.transaction():
                owned = await checkpoints.own(
                    conn, group.name, group.version, self.generation, shards, self.owner
                )
                waiting = await self.pipeline.read_waiting_ids(conn, shards)
            self._owned.add(owned, waiting)

    async def release(self, shards: Iterable[int] | None = None) -> None:
        """Release shards, or all of them, after writing all folded events."""
        async with self._lock:
            try:
                with self._releasing_on_error():
                    await self.pipeline.drain()
            finally:
                self._owned.remove(self.owned_shards if shards is None else shards)
                self.pipeline.forget()

    async def require_ownership(self, epochs: Mapping[int, int]) -> None:
        """Raise `FencingError` if another consumer, or a rebuild, has taken shards over.

        `epochs`: shard → its owner epoch in the database, read before this call. Without this call
        only a write notices it, and a shard whose assumed position is wrong may never be written.
        """
        if not self._find_taken(epochs):
            return
        async with self._lock:  # `own` may have raised the epoch and not kept it yet
            with self._releasing_on_error():
                if taken := self._find_taken(epochs):
                    raise FencingError(taken)

    async def apply(self, records: Sequence[ReceivedRecord]) -> None:
        """Fold the new ones of these records in order, and fill the gaps before them.

        Returns when they are folded; `flush` waits until they are durable. Raises `FencingError`,
        and the error of asyncpg if the database cannot be reached.
        """
        async with self._lock:
            with self._releasing_on_error():
                accepted: list[ReceivedRecord] = []
                reached = self._owned.positions()
                await self._heads.load_for(records)
                for record in records:
                    if not self._is_new(record, reached):
                        continue
                    if record.previous != reached[record.shard]:
                        # A gap: apply the events before it, then a page of the gap. The page also
                        # contains this record, unless the gap is longer.
                        await self._apply_records(accepted)
                        accepted = []
                        if await self._fill_page(record.shard, record.position):
                            self._owned.lagging.add(record.shard)
                        reached[record.shard] = self._owned.checkpoints[record.shard].position
                        continue
                    accepted.append(record)
                    reached[record.shard] = record.position
                await self._apply_records(accepted)

    async def _apply_records(self, records: Sequence[ReceivedRecord]) -> None:
        """Decode and fold records that follow each other in their shards."""
        recorded_events: list[RecordedEvent] = []
        loaded = await wire.load_records(self.pool, records)
        for start in range(0, len(records), SLICE_EVENTS):
            recorded_events += loaded.decode(start, start + SLICE_EVENTS)
            await asyncio.sleep(0)  # let the task run that writes a batch
        await self.pipeline.apply(recorded_events)

    async def flush(self) -> None:
        """Wait until all events folded before this call are durable. Raises the same as `apply`."""
        pipeline = self.pipeline
        target = pipeline.accepted
        while pipeline.durable < target:
            writing = pipeline.writing
            if writing is not None and not writing.done():
                await asyncio.wait({writing})
                continue
            async with self._lock:  # the write failed, or another call is folding
                with self._releasing_on_error():
                    await self.pipeline.drain()

    async def find_gaps(self) -> dict[int, int]:
        """Return owned shard → shard head, for the shards whose checkpoint is below the head."""
        async with self.pool.acquire() as conn:
            heads = await sequencer.read_shard_heads(conn)
        positions = self._owned.positions()
        return {shard: heads[shard] for shard, at in positions.items() if heads.get(shard, 0) > at}

    async def fill_gap(self, shard: int, upto: int) -> None:
        """Apply the events of a shard from the log, up to a position. Raises the same as `apply`.

        The lock is released after each page, so that records of other shards are applied too.
        """
        more = True
        while more and shard in self._owned.checkpoints:
            async with self._lock:
                with self._releasing_on_error():
                    is_owned = shard in self._owned.checkpoints
                    more = is_owned and await self._fill_page(shard, upto)
        self._owned.lagging.discard(shard)

    def _find_taken(self, epochs: Mapping[int, int]) -> list[int]:
        assumed = self._owned.checkpoints
        return [shard for shard in assumed if epochs.get(shard, 0) > assumed[shard].epoch]

    def _is_new(self, record: ReceivedRecord, reached: dict[int, int]) -> bool:
        """Return whether to apply a record; `reached`: owned shard → position."""
        if record.generation != self.generation:
            self.counts.refused["generation"] += 1
            return False
        if not self._heads.contain(record):
            self.counts.refused["beyond_log"] += 1
            return False
        if record.shard not in reached or record.shard in self._owned.lagging:
            return False
        if record.position <= reached[record.shard]:
            self.counts.duplicates += 1
            return False
        return True

    async def _fill_page(self, shard: int, upto: int) -> bool:
        """Apply the next page of a shard from the log; return whether there may be more."""
        position = self._owned.checkpoints[shard].position
        if position >= upto:
            return False
        async with self.pool.acquire() as conn:
            rows = await read.shard_rows(conn, shard, after=position, upto=upto, limit=FILL_EVENTS)
        self.counts.filled += len(rows)
        await self.pipeline.apply(await read.decode_rows(self.pool, rows))
        return len(rows) == FILL_EVENTS

    @contextmanager
    def _releasing_on_error(self) -> Iterator[None]:
        """Release all shards if the block raises an error.

        Memory may then be ahead of the tables or behind them. Owning a shard again loads its
        checkpoint from the database.
        """
        try:
            yield
        except BaseException:
            self.pipeline.abandon()
            raise
