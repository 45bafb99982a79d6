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
from events.log.event_rows import COLUMNS, MIN_COPY_EVENTS, PreparedEvent, build_row
from events.log.locks import lock_arguments
from events.record import NewEvent, Stream
from events.sessions import SessionStarted

PLAIN_EVENTS: frozenset[type[Event]] = frozenset({
    ActivityRecorded, ConversationAnswered, ConversationMessageReceived, ConversationReplied,
    ConversationStarted, ConversationWaiting, EngagementRecorded, LeadAssigned, LeadContacted,
    LeadNoted, LeadStatusChanged, SessionStarted,
})  # fmt: skip
_PARAMETERS = 12
_PLACES = ", ".join(f"${number}" for number in range(1, 1 + _PARAMETERS))
_APPEND = f"SELECT crm.append_plain({_PLACES})"


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
    version. Return None, with no event written, if
    the events need `append` in a transaction: because they change more than the log, or because
    they are duplicates, in conflict, of an erased subject, or come after staged changes. Raises
    `LimitExceeded`.
    """
    if len(events) >= MIN_COPY_EVENTS or any(type(new.event) not in PLAIN_EVENTS for new in events):
        return None
    now = datetime.now(UTC)
    prepared = [prepare_event(event, now) for event in events]
    subjects = subjects_of([(item.new.event, item.fields) for item in prepared])
    keys = _find_keys(subjects)
    if keys is None:
        return None
    generation: int | None = await conn.fetchval(
        _APPEND,
        *_conditions(events, expected, guards, newest or {}),
        list(subjects.erasable), [key.id for key in keys.known.values()],
        [key for new in events if (key := message_id_of(new.event)) is not None],
        _keys_as_json(keys.new), _rows_as_json(prepared, expected, keys.contents),
    )  # fmt: skip
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


def _conditions(
    events: Sequence[NewEvent],
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int],
    newest: Mapping[Stream, UUID],
) -> tuple[Sequence[object], ...]:
    """Return the first parameters: locks, versions, newest events, properties and event ids."""
    properties, (kinds, ids, shared) = lock_arguments(events, guards)
    versions = {**guards, **expected}
    # Locks of properties have no version.
    streams = [Stream(kind, key) for kind, key in zip(kinds, ids, strict=True)]
    return (
        kinds, ids, shared,
        [versions.get(stream) for stream in streams], [newest.get(stream) for stream in streams],
        properties, [new.id for new in events],
    )  # fmt: skip


def _keys_as_json(new: Sequence[NewKey]) -> bytes | None:
    if not new:
        return None
    return orjson.dumps([
        {
            "subject_id": item.key.subject_id, "key_id": item.key.id,
            "wrapped": _as_bytea(item.wrapped.wrapped), "master_key": item.wrapped.master_key,
        }
        for item in new
    ], default=str)  # fmt: skip


def _rows_as_json(
    prepared: Sequence[PreparedEvent], expected: Mapping[Stream, int], keys: ContentKeys
) -> bytes:
    """Return the rows as objects; their payloads are JSON already."""
    versions = dict(expected)
    rows = []
    for item in prepared:
        versions[item.new.stream] += 1
        row: dict[str, Any] = dict(
            zip(COLUMNS, build_row(item, versions[item.new.stream], keys), strict=True)
        )
        row["payload"] = orjson.Fragment(row["payload"])
        row["digest"] = _as_bytea(row["digest"])
        rows.append(row)
    # With `default=str`, because ids of asyncpg are subclasses of UUID, which orjson refuses.
    return orjson.dumps(rows, default=str)


def _as_bytea(value: bytes) -> str:
    return f"\\x{value.hex()}"
