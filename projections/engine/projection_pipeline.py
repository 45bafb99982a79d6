"""The projection pipeline: folds events while the batch before them is written."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import RecordedEvent
from projections.engine import apply, isolation, parked
from projections.engine.backlog import Backlog
from projections.engine.batch import WriteBatch, WriterIdentity
from projections.engine.owned_shards import OwnedShards
from projections.engine.pipeline import EventCounts
from projections.engine.projection_group import ProjectionGroup
from projections.engine.working_set import PoisonEvent

OnWritten: TypeAlias = Callable[[Sequence[RecordedEvent], int], None]
"""A function that is called with events whose rows are durable now, and the start of their write in
nanoseconds since 1970."""
HOLD_ROWS = 5_000
"""Rows that may stay in memory between batches."""


class ProjectionPipeline:
    """A pipeline that writes tables; it parks poison events.

    It moves the checkpoints of `owned` when events are folded, before they are durable.
    """

    def __init__(
        self, pool: asyncpg.Pool, identity: WriterIdentity, on_written: OnWritten | None = None
    ) -> None:
        self.pool, self.identity = pool, identity
        self._on_written = on_written
        self.owned = OwnedShards()
        self.counts = EventCounts()
        self.work = identity.group.working_set()
        self.backlog = Backlog(self.work, self._write)

    @property
    def group(self) -> ProjectionGroup:
        return self.identity.group

    @property
    def generation(self) -> int:
        return self.identity.generation

    @property
    def accepted(self) -> int:
        return self.backlog.folded

    @property
    def durable(self) -> int:
        return self.backlog.durable

    @property
    def writing(self) -> "asyncio.Task[None] | None":
        return self.backlog.writing

    async def apply(self, recorded_events: Sequence[RecordedEvent]) -> None:
        """Fold events while the last batch is written, and let the backlog write them next."""
        if not recorded_events:
            return
        if len(self.work) > HOLD_ROWS:
            await self.drain()
            self.work.drop_rows()
        try:
            await self.backlog.wait_for_room()
        except apply.BAD_ROW_ERRORS:
            await self._isolate_backlog()
        # No batch may be taken from the working set while rows are half folded.
        self.backlog.pause()
        try:
            async with self.pool.acquire() as conn:
                folded = await apply.fold(
                    conn, self.identity, self.work, recorded_events,
                    self.owned.checkpoints, self.owned.waiting,
                )  # fmt: skip
        except PoisonEvent:
            await self._isolate_backlog(recorded_events)
            return
        apply.record_progress(self.owned.checkpoints, self.owned.waiting, folded)
        self.backlog.add(folded)

    async def drain(self) -> None:
        """Wait until all folded events are durable; park those that cannot be applied."""
        self.backlog.resume()
        try:
            await self.backlog.drain()
        except apply.BAD_ROW_ERRORS:
            await self._isolate_backlog()

    def forget(self) -> None:
        """Drop the rows in memory: another consumer may have written them."""
        self.work.clear()

    async def read_waiting_ids(
        self, conn: Connection, shards: Iterable[int]
    ) -> dict[int, set[UUID]]:
        """Return shard → the ids that its parked events touch."""
        return await parked.read_waiting_ids(conn, self.group.name, shards)

    def abandon(self) -> None:
        """Give up the events that are not durable, and all shards: memory may be wrong."""
        self.backlog.withdraw()
        self.backlog.mark_durable()
        self.owned.remove(self.owned.checkpoints)
        self.work.clear()

    async def _isolate_backlog(self, recorded_events: Sequence[RecordedEvent] = ()) -> None:
        """Apply the events that are not durable, and then these, and park the poison events.

        Any event of the backlog may have caused the error. So positions and waiting ids in memory
        are reset to those before the backlog, and all its events are applied again.
        """
        writing = self.backlog.writing
        if writing is not None:
            await asyncio.wait({writing})
        lost = self.backlog.withdraw()
        async with self.pool.acquire() as conn:
            if lost is not None:
                for shard, (checkpoint, _) in lost.moves.items():
                    self.owned.checkpoints[shard] = checkpoint
                self.owned.waiting = await self.read_waiting_ids(conn, self.owned.checkpoints)
                await self._isolate(conn, lost.recorded_events)
            await self._isolate(conn, recorded_events)
        self.backlog.mark_durable()

    async def _isolate(self, conn: Connection, recorded_events: Sequence[RecordedEvent]) -> None:
        self.counts.parked += await isolation.isolate(
            conn, self.identity, self.work, recorded_events,
            self.owned.checkpoints, self.owned.waiting,
        )  # fmt: skip
        self.counts.applied += len(recorded_events)

    async def _write(self, batch: WriteBatch) -> None:
        began_at = time.time_ns()
        async with self.pool.acquire() as conn:
            await apply.write(conn, self.identity, batch)
        if self._on_written is not None:
            self._on_written(batch.folded.recorded_events, began_at)
        self.counts.applied += len(batch.folded.recorded_events)
        self.counts.parked += len(batch.folded.parked_events)
