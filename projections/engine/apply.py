"""Applying facts: fold a batch in memory, write it in one fenced transaction, isolate poison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import RecordedEvent, Unknown
from projections.engine import checkpoints, parked, store
from projections.engine.checkpoints import Checkpoint
from projections.engine.parked import Parking
from projections.engine.projection import DerivedTable, Written
from projections.engine.projection_group import ProjectionGroup
from projections.engine.working_set import Poison, Work

BAD_ROW_ERRORS = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
    OverflowError,
    TypeError,
    ValueError,
)
"""What the database or its driver raises when a fact made a row it cannot hold."""


@dataclass(frozen=True, slots=True)
class Life:
    """Which tables of which life of the log a writer believes in; `schema` is a shadow's."""

    group: ProjectionGroup
    generation: int
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """Facts that are in a working set; `moves`: shard → (where the tables are, where they come)."""

    recorded_events: Sequence[RecordedEvent]
    parkings: Sequence[Parking]
    moves: Mapping[int, tuple[Checkpoint, int]]

    def joined(self, later: "Folded") -> "Folded":
        """Both as one, from where this one begins."""
        moves = dict(self.moves)
        for shard, (believed, target) in later.moves.items():
            moves[shard] = (moves[shard][0] if shard in moves else believed, target)
        return Folded(
            [*self.recorded_events, *later.recorded_events],
            [*self.parkings, *later.parkings],
            moves,
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts with the changes they made, ready to be written."""

    folded: Folded
    changes: Mapping[DerivedTable, Written]


async def prepare(
    conn: Connection,
    life: Life,
    work: Work,
    recorded_events: Sequence[RecordedEvent],
    held: Mapping[int, Checkpoint],
    waiting: Mapping[int, set[UUID]],
) -> Batch:
    """`fold`, and take what changed out of `work`. Raises `Poison`."""
    return Batch(await fold(conn, life, work, recorded_events, held, waiting), work.take())


async def fold(
    conn: Connection,
    life: Life,
    work: Work,
    recorded_events: Sequence[RecordedEvent],
    held: Mapping[int, Checkpoint],
    waiting: Mapping[int, set[UUID]],
) -> Folded:
    """Fold facts into `work`; what touches a parked id is parked behind it.

    `waiting` is shard → parked ids. Raises `Poison`.
    """
    flowing: list[RecordedEvent] = []
    parkings: list[Parking] = []
    grown: dict[int, set[UUID]] = {}
    for recorded in recorded_events:
        ids = grown.get(recorded.shard) or waiting.get(recorded.shard)
        if (why := _must_park(recorded, ids)) is None:
            flowing.append(recorded)
            continue
        await _flow(conn, life, work, flowing)  # what is before it says which rows are tied
        flowing = []
        parking = Parking(recorded, *why, await touched(conn, life, work, recorded))
        parkings.append(parking)
        grown[recorded.shard] = (ids or set()) | parking.touches
    await _flow(conn, life, work, flowing)
    return Folded(recorded_events, parkings, _moves(recorded_events, held))


async def _flow(
    conn: Connection, life: Life, work: Work, recorded_events: Sequence[RecordedEvent]
) -> None:
    for table, keys in work.wanted(recorded_events).items():
        await store.fetch(conn, table, work.rows[table], keys, life.schema)
    await work.fold_in_turns(recorded_events)


async def touched(
    conn: Connection, life: Life, work: Work, recorded: RecordedEvent
) -> frozenset[UUID]:
    """The ids that must wait while `fact` is parked: those it touches, and whose rows are tied to
    theirs. All facts before it must be in `work`."""
    own = parked.touched_by(recorded)
    found = set(own)
    for table, rows in work.rows.items():
        if table.follows:
            keys = rows.missing({key.int: key for key in own})
            await store.fetch(conn, table, rows, keys, life.schema)
            found.update(rows.tied_to(own).values())
    return frozenset(found)


async def write(conn: Connection, life: Life, batch: Batch) -> None:
    """Write a batch and its checkpoints in one transaction. Raises `Fenced` and `GUILTY`."""
    async with conn.transaction():
        await checkpoints.advance(
            conn, life.group.name, life.group.version, life.generation, batch.folded.moves
        )
        await store.write(conn, batch.changes, life.schema)
        await parked.park(conn, life.group.name, batch.folded.parkings)


async def isolate(
    conn: Connection,
    life: Life,
    work: Work,
    recorded_events: Sequence[RecordedEvent],
    held: dict[int, Checkpoint],
    waiting: dict[int, set[UUID]],
) -> int:
    """Apply facts of which one or more are guilty: halve until each is found, and park it.

    Commits as it goes and moves `held` along. Returns how many it parked. Raises `Fenced`.
    """
    if not recorded_events:
        return 0
    bad: RecordedEvent | None = None
    work.forget()
    try:
        batch = await prepare(conn, life, work, recorded_events, held, waiting)
        await write(conn, life, batch)
    except Poison as poison:
        bad, problem = poison.recorded, (poison.projection, repr(poison.error))
    except BAD_ROW_ERRORS as error:
        problem = ("database", f"{type(error).__name__}: {error}")
    else:
        settle(held, waiting, batch.folded)
        return len(batch.folded.parkings)
    work.forget()
    if len(recorded_events) == 1:
        parking = Parking(
            recorded_events[0], *problem, await touched(conn, life, work, recorded_events[0])
        )
        alone = Folded(recorded_events, (parking,), _moves(recorded_events, held))
        await write(conn, life, Batch(alone, {}))
        settle(held, waiting, alone)
        return 1
    at = recorded_events.index(bad) if bad else len(recorded_events) // 2
    parts = (
        (recorded_events[:at], recorded_events[at : at + 1], recorded_events[at + 1 :])
        if bad
        else (recorded_events[:at], recorded_events[at:])
    )
    return sum([await isolate(conn, life, work, part, held, waiting) for part in parts])


def settle(held: dict[int, Checkpoint], waiting: dict[int, set[UUID]], folded: Folded) -> None:
    """Believe that these facts are written."""
    for shard, (checkpoint, position) in folded.moves.items():
        held[shard] = Checkpoint(position, checkpoint.epoch)
    for parking in folded.parkings:
        waiting.setdefault(parking.recorded.shard, set()).update(parking.touches)


def _must_park(recorded: RecordedEvent, waiting: set[UUID] | None) -> tuple[str, str] | None:
    """Reason and detail."""
    if waiting and parked.waits_for(recorded, waiting):
        return parked.BEHIND_IT
    if isinstance(recorded.event, Unknown):
        return "unknown", recorded.event.why
    return None


def _moves(
    recorded_events: Sequence[RecordedEvent], held: Mapping[int, Checkpoint]
) -> dict[int, tuple[Checkpoint, int]]:
    last = {recorded.shard: recorded.position for recorded in recorded_events}
    return {shard: (held[shard], position) for shard, position in last.items()}
