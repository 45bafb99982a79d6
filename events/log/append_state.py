"""The state of the log that an append compares with, read in one statement after its locks."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple
from uuid import UUID

from events.event import Event
from events.keys.data_key import DataKey
from events.keys.master import WrappedKey
from events.keys.ring import CONTACT_HASH, current_ring
from events.keys.store import StoredKey
from events.log.connection import Connection
from events.log.erased_subjects import add_subject_ids, subject_ids
from events.log.stream_versions import StreamHead
from events.personal import data_subject
from events.record import Stream

_STATE = """
SELECT 'event' AS part, id, digest AS bytes, NULL AS text, NULL::int AS version,
  NULL::uuid AS other_id
FROM public.crm_events WHERE id = ANY($1::uuid[])
UNION ALL
SELECT 'stream', requested.id, NULL, requested.kind, head.version, head.ordering_key
FROM unnest($2::text[], $3::uuid[]) AS requested (kind, id)
CROSS JOIN LATERAL (
  SELECT version, coalesce(property_id, org_id) AS ordering_key FROM public.crm_events e
  WHERE e.entity_type = requested.kind AND e.entity_id = requested.id
  ORDER BY version DESC LIMIT 1) AS head
UNION ALL
SELECT 'key', subject_id, wrapped, master_key, NULL, key_id
FROM crm_keys.data_keys WHERE subject_id = ANY($4::uuid[])
UNION ALL
SELECT 'erased', subject_id, NULL, NULL, NULL, NULL
FROM crm.erased_subjects WHERE subject_id = ANY($6::uuid[])
UNION ALL
SELECT 'secret', NULL, wrapped, master_key, NULL, NULL
FROM crm_keys.secret_keys WHERE purpose = $5
"""


class Subjects(NamedTuple):
    """The data subjects of an append: those with values to encrypt, and those it depends on."""

    sealed: Collection[UUID]
    erasable: Collection[UUID]


def subjects_of(events: Collection[tuple[Event, Sequence[str]]]) -> Subjects:
    """Return the data subjects of events, each with its personal fields that have a content."""
    return Subjects(sealed_subjects(events), erasable_subjects(event for event, _ in events))


def sealed_subjects(events: Iterable[tuple[Event, Sequence[str]]]) -> set[UUID]:
    """Return the data subjects of the events that have values to encrypt."""
    sealed: set[UUID] = set()
    for event, fields in events:
        if fields and (subject_id := data_subject(event)) is not None:
            sealed.add(subject_id)
    return sealed


def erasable_subjects(events: Iterable[Event]) -> set[UUID]:
    """Return the subjects that events depend on; the subjects to encrypt for are among them."""
    erasable: set[UUID] = set()
    for event in events:
        add_subject_ids(event, erasable)
    return erasable


class ContentKeys(NamedTuple):
    """Data subject → its data key, and the erased ones of all subjects that events depend on."""

    keys: Mapping[UUID, DataKey | None]
    erased: Set[UUID]

    def has_erased(self, event: Event) -> bool:
        """Return whether the personal values of an event are erased."""
        return bool(self.erased) and not self.erased.isdisjoint(subject_ids(event))

    def of(self, event: Event) -> DataKey | None:
        """Return the data key of an event with personal content; None if it is erased."""
        subject_id = data_subject(event)
        if subject_id is None or (self.erased and self.has_erased(event)):
            return None
        return self.keys[subject_id]


class AppendState(NamedTuple):
    """`digests`: event id → fingerprint of the stored event; `heads`: stream → newest row."""

    digests: dict[UUID, bytes]
    heads: dict[Stream, StreamHead]
    keys: ContentKeys
    contact_key: bytes


class WrappedState(NamedTuple):
    """The state as the log has it: without keys of new subjects, and with wrapped ones."""

    digests: dict[UUID, bytes]
    heads: dict[Stream, StreamHead]
    keys: dict[UUID, StoredKey]
    erased: set[UUID]
    contact: WrappedKey | None

    async def complete(self, conn: Connection, sealed: Collection[UUID]) -> AppendState:
        """Return the state with the keys of the subjects to encrypt for; new ones get a key."""
        keys, contact_key = await current_ring().keys_for_append(
            conn, self.keys, self.erased, sealed, self.contact
        )
        return AppendState(self.digests, self.heads, ContentKeys(keys, self.erased), contact_key)


async def read_state(
    conn: Connection,
    event_ids: Sequence[UUID],
    streams: Sequence[Stream],
    subjects: Subjects,
) -> AppendState:
    """Return the state of these events, streams and data subjects; new subjects get a key."""
    stored = await read_stored_state(conn, event_ids, streams, subjects)
    return await stored.complete(conn, subjects.sealed)


async def read_stored_state(
    conn: Connection,
    event_ids: Sequence[UUID],
    streams: Sequence[Stream],
    subjects: Subjects,
) -> WrappedState:
    """Return the stored state of these events, streams and data subjects."""
    rows = await conn.fetch(
        _STATE,
        event_ids,
        [stream.entity_type for stream in streams],
        [stream.entity_id for stream in streams],
        list(subjects.sealed),
        None if current_ring().has_contact_key else CONTACT_HASH,
        list(subjects.erasable),
    )
    digests: dict[UUID, bytes] = {}
    heads: dict[Stream, StreamHead] = {}
    stored: dict[UUID, StoredKey] = {}
    erased: set[UUID] = set()
    contact: WrappedKey | None = None
    for part, id_, bytes_, text, version, other_id in rows:
        match part:
            case "event":
                digests[id_] = bytes_
            case "stream":
                heads[Stream(text, id_)] = StreamHead(version, other_id)
            case "key":
                stored[id_] = StoredKey(id_, other_id, bytes_, text)
            case "erased":
                erased.add(id_)
            case _:
                contact = WrappedKey(bytes_, text)
    return WrappedState(digests, heads, stored, erased, contact)
