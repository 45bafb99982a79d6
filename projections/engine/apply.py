"""Applying events: fold a batch in memory, and write it in one fenced transaction."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.record import RecordedEvent, UnreadableEvent
from projections.engine import checkpoints, parked, store
from projections.engine.batch import FoldedEvents, WriteBatch, WriterIdentity
from projections.engine.checkpoints import Checkpoint
from projections.engine.parked import ParkedEvent
from projections.engine.working_set import WorkingSet

BAD_ROW_ERRORS = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
    OverflowError,
    TypeError,
    ValueError,
)
"""Errors of the database or its driver for a row that it cannot store: the event is at fault.

All other errors, such as a lost connection, say nothing about the event.
"""


async def prepare(
    conn: Connection,
    identity: WriterIdentity,
    work: WorkingSet,
    recorded_events: Sequence[RecordedEvent],
    owned: Mapping[int, Checkpoint],
    waiting: Mapping[int, set[UUID]],
) -> WriteBatch:
    """Fold events and take the changes out of the working set. Raise `PoisonEvent`."""
    folded = await fold(conn, identity, work, recorded_events, owned, waiting)
    return WriteBatch(folded, work.take_changes())


async def fold(
    conn: Connection,
    identity: WriterIdentity,
    work: WorkingSet,
    recorded_events: Sequence[RecordedEvent],
    owned: Mapping[int, Checkpoint],
    waiting: Mapping[int, set[UUID]],
) -> FoldedEvents:
    """Fold events into the working set; park those that touch a parked id.

    `owned`: shard → its checkpoint; `waiting`: shard → ids that parked events touch.
    Raise `PoisonEvent`.
    """
    await _load_erased_subjects(conn, identity, work, owned)
    moves = moves_of(recorded_events, owned)
    kinds = {type(recorded.event) for recorded in recorded_events}
    if UnreadableEvent not in kinds and not any(waiting.values()):
        await _load_and_fold(conn, identity, work, recorded_events)
        return FoldedEvents(recorded_events, (), moves)
    applicable: list[RecordedEvent] = []
    parked_events: list[ParkedEvent] = []
    newly_waiting: dict[int, set[UUID]] = {}
    for recorded in recorded_events:
        ids = newly_waiting.get(recorded.shard) or waiting.get(recorded.shard)
        if (reason := _parking_reason(recorded, ids)) is None:
            applicable.append(recorded)
            continue
        # The events before this one decide which rows are connected with its own: fold them first.
        await _load_and_fold(conn, identity, work, applicable)
        applicable = []
        touches = await ids_to_park(conn, identity, work, recorded)
        parked_events.append(ParkedEvent(recorded, *reason, touches))
        newly_waiting[recorded.shard] = (ids or set()) | touches
    await _load_and_fold(conn, identity, work, applicable)
    return FoldedEvents(recorded_events, parked_events, moves)


async def _load_erased_subjects(
    conn: Connection, identity: WriterIdentity, work: WorkingSet, owned: Mapping[int, Checkpoint]
) -> None:
    table = identity.group.erased_subjects
    if table is not None and (shards := work.erased.unknown_shards(owned.keys())):
        await work.erased.load(conn, table, shards, identity.schema)


async def _load_and_fold(
    conn: Connection,
    identity: WriterIdentity,
    work: WorkingSet,
    recorded_events: Sequence[RecordedEvent],
) -> None:
    for table, keys in work.missing_keys(recorded_events).items():
        await store.fetch(conn, table, work.rows[table], keys, identity.schema)
    await work.fold_in_slices(recorded_events)


async def ids_to_park(
    conn: Connection, identity: WriterIdentity, work: WorkingSet, recorded: RecordedEvent
) -> frozenset[UUID]:
    """Return the ids that must wait while this event is parked.

    These are the ids that it touches, and the ids of rows that can be reached from them by
    following. The working set must contain all events before it.
    """
    touched = parked.touched_ids(recorded)
    waiting = set(touched)
    for table, rows in work.rows.items():
        if table.follows:
            keys = rows.missing_keys({key.int: key for key in touched})
            await store.fetch(conn, table, rows, keys, identity.schema)
            waiting.update(rows.reachable_keys(touched).values())
    return frozenset(waiting)


async def write(conn: Connection, identity: WriterIdentity, batch: WriteBatch) -> None:
    """Write a batch with its checkpoints in one transaction.

    Raise `FencingError` if another consumer owns a shard, and one of `BAD_ROW_ERRORS`.
    """
    group = identity.group
    async with conn.transaction():
        # The checkpoints come first: their conditional update is the fence. A replaced consumer
        # fails here before it has written a row. A new owner increments the epoch in the same
        # rows, so it waits until this transaction has ended, and reads its positions.
        await checkpoints.advance(
            conn, group.name, group.version, identity.generation, batch.folded.moves
        )
        await store.write(conn, batch.changes, identity.schema)
        await parked.park(conn, group.name, batch.folded.parked_events)


def record_progress(
    owned: dict[int, Checkpoint], waiting: dict[int, set[UUID]], folded: FoldedEvents
) -> None:
    """Move the positions in memory, and note the parked ids, as if these events were written."""
    for shard, (checkpoint, position) in folded.moves.items():
        owned[shard] = Checkpoint(position, checkpoint.epoch)
    for parked_event in folded.parked_events:
        waiting.setdefault(parked_event.recorded.shard, set()).update(parked_event.touches)


def moves_of(
    recorded_events: Sequence[RecordedEvent], owned: Mapping[int, Checkpoint]
) -> dict[int, tuple[Checkpoint, int]]:
    """Return shard → (its checkpoint, the position of its last event here)."""
    last = {recorded.shard: recorded.position for recorded in recorded_events}
    return {shard: (owned[shard], position) for shard, position in last.items()}


def _parking_reason(recorded: RecordedEvent, waiting: set[UUID] | None) -> tuple[str, str] | None:
    """Return reason and detail if the event cannot be folded now."""
    if waiting and parked.is_blocked(recorded, waiting):
        return parked.BLOCKED
    if isinstance(recorded.event, UnreadableEvent):
        return "unknown", recorded.event.why
    return None
