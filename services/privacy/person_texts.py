"""The texts that identify an erased person, read from the log with its last keys."""

from collections.abc import Collection, Iterable, Iterator
from uuid import UUID

from events.codec import read_event
from events.event import Event, personal_fields
from events.keys.ring import current_ring
from events.log.connection import Connection
from events.record import UnreadableEvent
from events.sealed_payload import find_sealed

IDENTIFYING = ("email", "phone", "recipient", "external_id")
"""Personal fields that name one person. A first name or a note would find other persons too."""
MIN_CHARACTERS = 6
"""A shorter text, such as the number 1234 of another system, names nobody alone."""


async def read_identifying_texts(conn: Connection, subject_ids: Collection[UUID]) -> frozenset[str]:
    """Return e-mail addresses, phone numbers and ids of other systems of an erased person.

    They are only found until the keys of the person are destroyed. Afterwards there are none.
    """
    keys = await current_ring().last_keys(conn, subject_ids)
    rows = await conn.fetch(
        "SELECT id, event_type, schema_version, payload::text AS payload FROM public.crm_events "
        "WHERE lead_id = ANY($1::uuid[]) OR (entity_type IN ('lead', 'session', 'conversation') "
        "AND entity_id = ANY($1::uuid[]))",
        list(subject_ids),
    )
    events: list[Event | UnreadableEvent] = []
    for row in rows:
        sealed = find_sealed(row["payload"])
        if sealed is None or sealed.key_id in keys:
            events.append(read_event(
                row["event_type"], row["schema_version"], row["payload"], row["id"], sealed, keys
            ))  # fmt: skip
    return frozenset(text for text in _texts(events) if len(text) >= MIN_CHARACTERS)


def _texts(events: Iterable[Event | UnreadableEvent]) -> Iterator[str]:
    for event in events:
        if isinstance(event, Event):
            for name in IDENTIFYING:
                value = getattr(event, name, None) if name in personal_fields(type(event)) else None
                if isinstance(value, str):
                    yield value.strip()
