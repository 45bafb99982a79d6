"""The tail of a rebuild: applies later events to shadow tables until they are level with live.

It also applies events that were parked when the shadow tables were folded, and retried since.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg

from events.log import read, sequencer
from events.log.connection import Connection
from events.record import RecordedEvent
from projections.engine import apply, checkpoints, parked
from projections.engine.batch import FoldedEvents, WriteBatch, WriterIdentity
from projections.engine.checkpoints import Checkpoint
from projections.engine.projection_group import ProjectionGroup
from projections.engine.shard_history import refuse_unreadable
from projections.engine.working_set import WorkingSet

PAGE_EVENTS = 5_000
MAX_ROUNDS = 50

Progress: TypeAlias = Callable[[str, int, int], None]
"""A function of (stage, done, total): events while folding, else tables or rounds."""


@dataclass(frozen=True, slots=True)
class Tail:
    """A follower of the live projection group that writes shadow tables.

    The shadow tables have checkpoints of their own; their group has the name of the schema.
    `omitted`: ids of events that the shadow tables lack because they are parked or dropped. It is
    updated in place.
    """

    pool: asyncpg.Pool
    live: ProjectionGroup
    part: ProjectionGroup
    schema: str
    omitted: set[UUID]

    async def approach(self, progress: Progress) -> None:
        """Follow without a lock on the live checkpoints, until less than a page is left."""
        for number in range(MAX_ROUNDS):
            progress("tail", number, MAX_ROUNDS)
            async with self.pool.acquire() as conn:
                bounds = await checkpoints.positions(conn, self.live.name)
            if await self.catch_up(bounds) < PAGE_EVENTS:
                break
        progress("tail", MAX_ROUNDS, MAX_ROUNDS)

    async def catch_up(self, bounds: Mapping[int, int]) -> int:
        """Apply the events up to these positions (shard → position); return their number.

        Raise `UnsupportedEvent`, `PoisonEvent`.
        """
        async with self.pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
            group = ProjectionGroup(self.schema, self.part.projections)
            identity = WriterIdentity(group, state.generation, self.schema)
            rows = await conn.fetch(
                "SELECT * FROM crm.checkpoints WHERE projection_group = $1", self.schema
            )
            owned = {r["shard"]: Checkpoint(r["position"], r["owner_epoch"]) for r in rows}
            skipped = await parked.read_skipped_ids(conn, self.live.name)
            work = group.working_set()
            count = await self._apply_omitted(conn, identity, work, skipped, owned)
            for shard, upto in bounds.items():
                async for page in read.shard_pages(
                    conn, shard, after=owned[shard].position, upto=upto, limit=PAGE_EVENTS
                ):
                    recorded_events = await read.decode_rows(conn, page)
                    visible = [r for r in recorded_events if r.id not in skipped]
                    await _apply(conn, identity, work, visible, recorded_events[-1], owned)
                    self.omitted.update({recorded.id for recorded in recorded_events} & skipped)
                    count += len(recorded_events)
        return count

    async def _apply_omitted(
        self,
        conn: Connection,
        identity: WriterIdentity,
        work: WorkingSet,
        skipped: frozenset[UUID],
        owned: Mapping[int, Checkpoint],
    ) -> int:
        """Apply omitted events that a retry has applied to the live tables; return their number.

        The order is the same as in the live tables as far as it matters: a parked event and all
        events that touch the same ids were parked together, so other events do not depend on them.
        """
        retried, count = self.omitted - skipped, 0
        while retried and (
            rows := await conn.fetch(
                f"SELECT {read.COLUMNS} FROM public.crm_events "
                "WHERE id = ANY($1::uuid[]) ORDER BY position LIMIT $2",
                list(retried),
                PAGE_EVENTS,
            )
        ):
            recorded_events = await read.decode_rows(conn, rows)
            late = [
                recorded
                for recorded in recorded_events
                if recorded.position <= owned[recorded.shard].position
            ]
            refuse_unreadable(late)
            batch = await apply.prepare(conn, identity, work, late, owned, {})
            folded = FoldedEvents(late, (), {})
            await apply.write(conn, identity, WriteBatch(folded, batch.changes))
            ids = {recorded.id for recorded in recorded_events}
            self.omitted.difference_update(ids)
            retried -= ids
            count += len(late)
        return count


async def _apply(
    conn: Connection,
    identity: WriterIdentity,
    work: WorkingSet,
    recorded_events: Sequence[RecordedEvent],
    last: RecordedEvent,
    owned: dict[int, Checkpoint],
) -> None:
    """Write a page of one shard, and move its checkpoint to the last event of the page.

    The last event itself may be skipped, so the checkpoint cannot follow from the events.
    """
    refuse_unreadable(recorded_events)
    batch = await apply.prepare(conn, identity, work, recorded_events, owned, {})
    before = owned[last.shard]
    folded = FoldedEvents(recorded_events, (), {last.shard: (before, last.position)})
    await apply.write(conn, identity, WriteBatch(folded, batch.changes))
    owned[last.shard] = Checkpoint(last.position, before.epoch)
