"""The append of events to several streams, with guards and claims, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from events.claims import CLAIMED_FIELDS
from events.log import limits, overlap
from events.log.announcements import note_append
from events.log.append_state import (
    ContentKeys,
    Subjects,
    WrappedState,
    erasable_subjects,
    read_state,
    read_stored_state,
    sealed_subjects,
    subjects_of,
)
from events.log.connection import Connection
from events.log.digests import digest_of, find_duplicates
from events.log.erased_subjects import require_not_erased
from events.log.errors import IdReused
from events.log.event_rows import PreparedEvent, insert_events
from events.log.locks import lock_for_append
from events.log.staged_changes import BATCH_ROWS, move_changes
from events.log.state_rows import STATE_EVENTS, store_state
from events.log.stream_versions import check_versions
from events.personal import personal_content
from events.record import NewEvent, Stream


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The result of an append: new event ids, and ids that the log had with the same content."""

    new: tuple[UUID, ...]
    duplicates: tuple[UUID, ...]


def prepare_event(new: NewEvent, now: datetime) -> PreparedEvent:
    """Check the limits of an event. Raises `LimitExceeded`."""
    limits.check_instant(new.occurred_at, now)
    clear = limits.checked_payload(new.event)
    return PreparedEvent(new, clear, personal_content(new.event))


async def append(
    conn: Connection,
    events: Sequence[NewEvent],
    *,
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int] | None = None,
    after_staged: bool = True,
) -> AppendResult:
    """Append `events` in the caller's transaction, which must be open (READ COMMITTED).

    `expected` is stream → the version that it must have. A stream that is missing there is
    observed: its events get the next versions. `guards` are streams that were only read and must
    still have the given version. Events that the log has already are recognised by their id.
    With `after_staged`, staged changes of the host to these properties are appended first.

    Raises `Conflict`, `ClaimTaken`, `IdReused`, `SubjectErased`, `WrongProperty`, `LimitExceeded`.
    """
    if not conn.is_in_transaction():
        raise RuntimeError(
            "append needs an open transaction: begin one before the streams are read"
        )
    if not events:
        return AppendResult((), ())
    guards = guards or {}
    prepare = partial(prepare_event, now=datetime.now(UTC))
    if len(events) < overlap.MIN_EVENTS:
        prepared = list(map(prepare, events))
        subjects = subjects_of([(item.new.event, item.fields) for item in prepared])
        await _lock(conn, events, guards, after_staged)
        state = await read_state(conn, *_read_ids(events, guards), subjects)
    else:
        # The payloads are made while the server locks and reads.
        reading = _read_locked(conn, events, guards, after_staged)
        stored, prepared = await overlap.run(reading, overlap.make_all(prepare, events))
        sealed = sealed_subjects((item.new.event, item.fields) for item in prepared)
        state = await stored.complete(conn, sealed)
    keys = state.keys
    duplicates, reused = await find_duplicates(conn, events, state.digests, keys)
    if reused:
        # Two commands that derive the same event id can race for it. Then the versions differ too:
        # report the conflict first, so that the loser decides again.
        check_versions(events, state.heads, expected, guards)
        raise IdReused(min(reused))
    new = [item for item in prepared if not duplicates or item.new.id not in duplicates]
    if len(new) > len({item.new.id for item in new}):
        new = _without_repetitions(new, keys)
    if not new:
        return AppendResult((), tuple(duplicates))
    new_events = [item.new for item in new]
    require_not_erased(new_events, keys.erased)
    versions = check_versions(new_events, state.heads, expected, guards)
    await insert_events(conn, new, versions, keys)
    note_append(conn)
    # Only new events change other rows: duplicates did at their first append.
    if changing := [item for item in new if type(item.new.event) in STATE_EVENTS]:
        claiming = [item.new for item in changing if _is_claiming(item, keys)]
        await store_state(conn, [item.new for item in changing], claiming, state.contact_key)
    return AppendResult(tuple(event.id for event in new_events), tuple(duplicates))


async def _lock(
    conn: Connection,
    events: Sequence[NewEvent],
    guards: Mapping[Stream, int],
    after_staged: bool,
) -> None:
    """Take the locks of an append, after the staged changes that come before it."""
    # The heads are read after the locks. READ COMMITTED gives that statement a new snapshot, so it
    # sees everything that the previous holders of the locks committed.
    if not await lock_for_append(conn, events, guards, after_staged=after_staged):
        await append_staged(conn, list({event.ordering_key for event in events}))
        await lock_for_append(conn, events, guards, after_staged=False)


def _read_ids(
    events: Sequence[NewEvent], guards: Mapping[Stream, int]
) -> tuple[list[UUID], list[Stream]]:
    """Return the events and streams whose state an append reads."""
    streams = {event.stream for event in events}
    return [event.id for event in events], [*streams.union(guards)]


async def _read_locked(
    conn: Connection, events: Sequence[NewEvent], guards: Mapping[Stream, int], after_staged: bool
) -> WrappedState:
    """Take the locks and read the state, with the keys of all subjects that may need one."""
    await _lock(conn, events, guards, after_staged)
    erasable = erasable_subjects(event.event for event in events)
    subjects = Subjects(erasable, erasable)
    return await read_stored_state(conn, *_read_ids(events, guards), subjects)


async def append_staged(
    conn: Connection, ordering_keys: Sequence[UUID] | None = None, limit: int = BATCH_ROWS
) -> int:
    """Move the next staged changes into the log, in order; return the number of rows.

    `ordering_keys`: only changes of these properties (or organisations). Call it in a transaction.
    """
    append_events = partial(append, conn, expected={}, after_staged=False)
    return await move_changes(conn, append_events, ordering_keys, limit)


def _without_repetitions(new: list[PreparedEvent], keys: ContentKeys) -> list[PreparedEvent]:
    """Return the events without repetitions within one append. Raises `IdReused`."""
    by_id: dict[UUID, PreparedEvent] = {}
    for item in new:
        first = by_id.setdefault(item.new.id, item)
        if digest_of(item.new.event, keys) != digest_of(first.new.event, keys):
            raise IdReused(item.new.id)
    return list(by_id.values())


def _is_claiming(item: PreparedEvent, keys: ContentKeys) -> bool:
    """Return False for contact details of an erased subject, which are not stored either."""
    event = item.new.event
    return not (item.fields and type(event) in CLAIMED_FIELDS and keys.has_erased(event))
