"""The tail: what came after a shadow was folded is applied to it until it is level with live.

So is what was parked when it was folded and has been retried since.
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
from projections.engine.apply import Batch, Folded, Life
from projections.engine.checkpoints import Checkpoint
from projections.engine.projection_group import ProjectionGroup
from projections.engine.refold import refuse_unknown
from projections.engine.working_set import Work

PAGE_EVENTS = 5_000
ROUNDS = 50

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told (stage, done, whole): events while folding, tables and rounds otherwise."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Follows the live unit into a shadow, whose own checkpoints are called as its schema.

    `omitted`: the facts left out of the shadow because they are parked or dropped; kept up to date.
    """

    pool: asyncpg.Pool
    live: ProjectionGroup
    part: ProjectionGroup
    schema: str
    omitted: set[UUID]

    async def come_near(self, progress: Progress) -> None:
        """Follow without holding the live unit, until little is left."""
        for number in range(ROUNDS):
            progress("tail", number, ROUNDS)
            async with self.pool.acquire() as conn:
                bounds = await checkpoints.positions(conn, self.live.name)
            if await self.reach(bounds) < PAGE_EVENTS:
                break
        progress("tail", ROUNDS, ROUNDS)

    async def reach(self, bounds: Mapping[int, int]) -> int:
        """Apply what came since, up to `bounds`; how many facts that was.

        Raises `CannotFold`, `Poison`.
        """
        async with self.pool.acquire() as conn:
            state = await sequencer.state(conn)
            group = ProjectionGroup(self.schema, self.part.projections)
            life = Life(group, state.generation, self.schema)
            rows = await conn.fetch("SELECT * FROM crm.checkpoints WHERE unit = $1", self.schema)
            held = {r["shard"]: Checkpoint(r["position"], r["owner_epoch"]) for r in rows}
            skipped = await parked.skipped(conn, self.live.name)
            work = group.work()
            count = await self._take_back(conn, life, work, skipped, held)
            for shard, upto in bounds.items():
                async for page in read.shard_pages(
                    conn, shard, after=held[shard].position, upto=upto, limit=PAGE_EVENTS
                ):
                    recorded_events = [read.decode(row) for row in page]
                    shown = [recorded for recorded in recorded_events if recorded.id not in skipped]
                    await _apply(conn, life, work, shown, recorded_events[-1], held)
                    self.omitted.update({recorded.id for recorded in recorded_events} & skipped)
                    count += len(recorded_events)
        return count

    async def _take_back(
        self,
        conn: Connection,
        life: Life,
        work: Work,
        skipped: frozenset[UUID],
        held: Mapping[int, Checkpoint],
    ) -> int:
        """Apply what was left out and is in the live tables since a retry; how many facts that was.

        As there, facts applied late commute with all that was applied before them.
        """
        back, count = self.omitted - skipped, 0
        while back and (
            rows := await conn.fetch(
                f"SELECT {read.COLUMNS} FROM public.crm_events "
                "WHERE id = ANY($1::uuid[]) ORDER BY position LIMIT $2",
                list(back),
                PAGE_EVENTS,
            )
        ):
            recorded_events = [read.decode(row) for row in rows]
            late = [
                recorded
                for recorded in recorded_events
                if recorded.position <= held[recorded.shard].position
            ]
            refuse_unknown(late)
            batch = await apply.prepare(conn, life, work, late, held, {})
            await apply.write(conn, life, Batch(Folded(late, (), {}), batch.changes))
            found = {recorded.id for recorded in recorded_events}
            self.omitted.difference_update(found)
            back -= found
            count += len(late)
        return count


async def _apply(
    conn: Connection,
    life: Life,
    work: Work,
    recorded_events: Sequence[RecordedEvent],
    last: RecordedEvent,
    held: dict[int, Checkpoint],
) -> None:
    """Write the facts of one shard's page, and move its checkpoint to the page's last."""
    refuse_unknown(recorded_events)
    batch = await apply.prepare(conn, life, work, recorded_events, held, {})
    before = held[last.shard]
    moves = {last.shard: (before, last.position)}
    await apply.write(conn, life, Batch(Folded(recorded_events, (), moves), batch.changes))
    held[last.shard] = Checkpoint(last.position, before.epoch)
