"""Isolation of poison events: find the events of a failed batch that cannot be applied."""

from collections.abc import Sequence
from uuid import UUID

from events.log.connection import Connection
from events.log.error_text import describe_error
from events.record import RecordedEvent
from projections.engine import apply
from projections.engine.batch import FoldedEvents, WriteBatch, WriterIdentity
from projections.engine.checkpoints import Checkpoint
from projections.engine.parked import ParkedEvent
from projections.engine.working_set import PoisonEvent, WorkingSet


async def isolate(
    conn: Connection,
    identity: WriterIdentity,
    work: WorkingSet,
    recorded_events: Sequence[RecordedEvent],
    owned: dict[int, Checkpoint],
    waiting: dict[int, set[UUID]],
) -> int:
    """Apply events some of which are poison, and park those; return the number of parked events.

    A database error does not name the event, so the batch is halved until one event remains.
    A projector's error names it. Every part is committed by itself, and `owned` and `waiting`
    move with it. Raise `FencingError`.
    """
    if not recorded_events:
        return 0
    poison: RecordedEvent | None = None
    # A failed fold or write leaves rows in memory that are not stored: load them again.
    work.clear()
    try:
        batch = await apply.prepare(conn, identity, work, recorded_events, owned, waiting)
        await apply.write(conn, identity, batch)
    except PoisonEvent as error:
        poison, problem = error.recorded, (error.projection, describe_error(error.error))
    except apply.BAD_ROW_ERRORS as error:
        problem = ("database", describe_error(error))
    else:
        apply.record_progress(owned, waiting, batch.folded)
        return len(batch.folded.parked_events)
    work.clear()
    if len(recorded_events) == 1:
        (recorded,) = recorded_events
        touches = await apply.ids_to_park(conn, identity, work, recorded)
        parked_event = ParkedEvent(recorded, *problem, touches)
        moves = apply.moves_of(recorded_events, owned)
        folded = FoldedEvents(recorded_events, (parked_event,), moves)
        await apply.write(conn, identity, WriteBatch(folded, {}))
        apply.record_progress(owned, waiting, folded)
        return 1
    parts = _parts(recorded_events, poison)
    return sum([await isolate(conn, identity, work, part, owned, waiting) for part in parts])


def _parts(
    recorded_events: Sequence[RecordedEvent], poison: RecordedEvent | None
) -> Sequence[Sequence[RecordedEvent]]:
    """Split at the poison event if it is known, else into halves."""
    if poison is None:
        middle = len(recorded_events) // 2
        return recorded_events[:middle], recorded_events[middle:]
    at = recorded_events.index(poison)
    return recorded_events[:at], recorded_events[at : at + 1], recorded_events[at + 1 :]
