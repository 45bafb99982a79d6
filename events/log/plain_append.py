"""The append of plain events in one statement, which is a transaction of its own.

A plain event changes the log and nothing beside it: no claim, timer, reserved time, run or erasure.
Most events of visitors and most reports about leads are plain. Their streams were read before,
without a transaction; the statement compares the versions under the locks of an append.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from events.activities import ActivityRecorded
from events.conversations import (
    ConversationAnswered,
    ConversationMessageReceived,
    ConversationReplied,
    ConversationStarted,
    ConversationWaiting,
)
from events.engagements import EngagementRecorded
from events.event import Event
from events.ids import message_id_of
from events.keys.data_key import DataKey
from events.keys.ring import NewKey, current_ring
from events.leads import LeadAssigned, LeadContacted, LeadNoted, LeadStatusChanged
from events.log.announcements import note_append
from events.log.append import prepare_event
from events.log.append_state import ContentKeys, Subjects, subjects_of
from events.log.connection import Connection
from events.log.event_rows import COLUMNS, MIN_COPY_EVENTS, PreparedEvent, as_bytea, build_row
from events.log.locks import lock_arguments
from events.log.plain_rows import PlainRows, StreamLock
from events.record import NewEvent, Stream
from events.sessions import SessionStarted

PLAIN_EVENTS: frozenset[type[Event]] = frozenset({
    ActivityRecorded, ConversationAnswered, ConversationMessageReceived, ConversationReplied,
    ConversationStarted, ConversationWaiting, EngagementRecorded, LeadAssigned, LeadContacted,
    LeadNoted, LeadStatusChanged, SessionStarted,
})  # fmt: skip


class _SubjectKeys(NamedTuple):
    """Data subject → its key, as this process knows it, and new keys of the other subjects."""

    known: Mapping[UUID, DataKey]
    new: Sequence[NewKey]

    @property
    def contents(self) -> ContentKeys:
        keys = dict(self.known) | {new.key.subject_id: new.key for new in self.new}
        return ContentKeys(keys, frozenset())


async def append_plain(
    conn: Connection,
    events: Sequence[NewEvent],
    *,
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int],
    newest: Mapping[Stream, UUID] | None = None,
) -> int | None:
    """Append new events outside of a transaction; return the log generation.

    `expected` names the version of every written stream, and `newest` the newest event of streams
    that are remembered from before: a restore may have replaced it by another one with the same
    version. Return None, with no event written, if the events need `append` in a transaction:
    because they change more than the log, or because they are duplicates, in conflict, of an erased
    subject, or come after staged changes. Raises `LimitExceeded`.

    On a connection of a pool the events can be appended together with those of other callers.
    """
    if len(events) >= MIN_COPY_EVENTS or any(type(new.event) not in PLAIN_EVENTS for new in events):
        return None
    now = datetime.now(UTC)
    prepared = [prepare_event(event, now) for event in events]
    subjects = subjects_of([(item.new.event, item.fields) for item in prepared])
    keys = _find_keys(subjects)
    if keys is None:
        return None
    properties, locks = _locks(events, expected, guards, newest or {})
    rows = PlainRows(
        locks, properties, [new.id for new in events],
        list(subjects.erasable), [key.id for key in keys.known.values()],
        [key for new in events if (key := message_id_of(new.event)) is not None],
        {new.key.subject_id: new for new in keys.new},
        _make_rows(prepared, expected, keys.contents),
    )  # fmt: skip
    joined = getattr(conn, "joined_appends", None)
    executing = rows.execute(conn) if joined is None else joined.execute(conn, rows)
    generation: int | None = await executing
    if generation is not None:
        current_ring().remember(new.key for new in keys.new)
        note_append(conn)
    return generation


def _find_keys(subjects: Subjects) -> _SubjectKeys | None:
    """Return the keys of the subjects to encrypt; None if the key store is another database."""
    ring = current_ring()
    if ring.has_own_store:
        return None
    known = {key: found for key in subjects.sealed if (found := ring.find(key)) is not None}
    missing = sorted(set(subjects.sealed) - known.keys())
    return _SubjectKeys(known, [ring.make_key(subject_id) for subject_id in missing])


def _locks(
    events: Sequence[NewEvent],
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int],
    newest: Mapping[Stream, UUID],
) -> tuple[list[UUID], dict[Stream, StreamLock]]:
    """Return the properties, and the locks with what is compared under them."""
    properties, (kinds, ids, shared) = lock_arguments(events, guards)
    versions = {**guards, **expected}
    # Locks of properties have no version.
    streams = [Stream(kind, key) for kind, key in zip(kinds, ids, strict=True)]
    return properties, {
        stream: StreamLock(is_shared, versions.get(stream), newest.get(stream))
        for stream, is_shared in zip(streams, shared, strict=True)
    }


def _make_rows(
    prepared: Sequence[PreparedEvent], expected: Mapping[Stream, int], keys: ContentKeys
) -> list[dict[str, Any]]:
    """Return the rows as objects for orjson; their payloads are JSON already."""
    versions = dict(expected)
    rows = []
    for item in prepared:
        versions[item.new.stream] += 1
        row: dict[str, Any] = dict(
            zip(COLUMNS, build_row(item, versions[item.new.stream], keys), strict=True)
        )
        row["payload"] = orjson.Fragment(row["payload"])
        row["digest"] = as_bytea(row["digest"])
        row["trace_context"] = as_bytea(row["trace_context"])
        rows.append(row)
    return rows
