"""The texts that identify an erased person, from the log with its last keys, or from tables."""

from collections.abc import Collection, Iterable, Iterator
from uuid import UUID

from events.codec import read_event
from events.event import Event, personal_fields
from events.keys.ring import current_ring
from events.log.connection import Connection
from events.record import UnreadableEvent
from events.sealed_payload import find_sealed
from services.privacy.personal_tables import PERSONAL_TABLES

IDENTIFYING = ("email", "phone", "recipient", "external_id")
"""Personal fields that name one person. A first name or a note would find other persons too."""
MIN_CHARACTERS = 6
"""A shorter text, such as the number 1234 of another system, names nobody alone."""


async def read_stored_texts(conn: Connection, subject_ids: Collection[UUID]) -> frozenset[str]:
    """Return the same texts from the tables, which have them until they contain the erasure."""
    texts: set[str] = set()
    for table in PERSONAL_TABLES:
        for column in table.erased_values.keys() & set(IDENTIFYING):
            rows = await conn.fetch(
                f'SELECT DISTINCT "{column}" AS text FROM {table.live_name} '
                f'WHERE "{table.subject_column}" = ANY($1::uuid[]) AND "{column}" IS NOT NULL',
                list(subject_ids),
            )
            texts.update(row["text"].strip() for row in rows)
    return frozenset(text for text in texts if len(text) >= MIN_CHARACTERS)


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
