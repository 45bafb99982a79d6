"""Fingerprints of stored events, by which an event that is sent again is recognised."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events import codec
from events.event import Event
from events.log.append_state import ContentKeys, read_state, subjects_of
from events.log.connection import Connection
from events.log.payloads import StoredPayload, read_payloads
from events.personal import personal_content
from events.record import NewEvent

UNKNOWN = b""
"""The digest of a row that SQL wrote or a migration has rewritten, and of an erased subject."""


def digest_of(event: Event, keys: ContentKeys) -> bytes:
    """Return the fingerprint of an event, keyed if it has personal content."""
    if not personal_content(event):
        return codec.digest(event)
    key = keys.of(event)
    return UNKNOWN if key is None else codec.digest(event, key.digest_key)


async def find_duplicates(
    conn: Connection, events: Sequence[NewEvent], stored: Mapping[UUID, bytes], keys: ContentKeys
) -> tuple[set[UUID], set[UUID]]:
    """Return the ids of events that the log has with the same content, and with another one.

    `stored`: event id → fingerprint, of the events that the log has. The content of an erased
    subject cannot be compared: the same id is the same event.
    """
    if not stored:
        return set(), set()
    duplicates: set[UUID] = set()
    reused: set[UUID] = set()
    unknown: dict[UUID, NewEvent] = {}
    for new in events:
        if new.id not in stored:
            continue
        if keys.has_erased(new.event) and personal_content(new.event):
            duplicates.add(new.id)
        elif stored[new.id] == UNKNOWN:
            unknown[new.id] = new
        else:
            is_same = stored[new.id] == digest_of(new.event, keys)
            (duplicates if is_same else reused).add(new.id)
    if unknown:
        present = await _read_events(conn, list(unknown))
        for event_id, new in unknown.items():
            event = present[event_id]
            is_same = isinstance(event, Event) and _is_same(event, new.event)
            (duplicates if is_same else reused).add(event_id)
    return duplicates, reused


async def find_reused(conn: Connection, events: Sequence[NewEvent]) -> set[UUID]:
    """Return the ids of those events that the log has with another content."""
    rows = await conn.fetch(
        "SELECT id FROM public.crm_events WHERE id = ANY($1::uuid[])", [new.id for new in events]
    )
    ids = {row["id"] for row in rows}
    present = [new for new in events if new.id in ids]
    if not present:
        return set()
    state = await read_state(
        conn,
        list(ids),
        [],
        subjects_of([(new.event, personal_content(new.event)) for new in present]),
    )
    _, reused = await find_duplicates(conn, present, state.digests, state.keys)
    return reused


def _is_same(first: Event, second: Event) -> bool:
    return codec.digest(first) == codec.digest(second)


async def _read_events(conn: Connection, event_ids: Sequence[UUID]) -> dict[UUID, object]:
    rows = await conn.fetch(
        "SELECT id, event_type, schema_version, payload::text AS payload "
        "FROM public.crm_events WHERE id = ANY($1::uuid[])",
        event_ids,
    )
    events = await read_payloads(conn, [StoredPayload(*row) for row in rows])
    return {row["id"]: event for row, event in zip(rows, events, strict=True)}
