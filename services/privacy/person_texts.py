"""The texts that identify an erased person, from the log with its last keys, or from tables."""

from collections.abc import Collection, Iterable, Iterator
from uuid import UUID

from events.codec import read_event
from events.event import Event, personal_fields
from events.keys.ring import current_ring
from events.log.connection import Connection
from events.record import UnreadableEvent
from services.privacy.person_payloads import read_person_payloads
from services.privacy.personal_tables import PERSONAL_TABLES
from services.runtime.logging import get_logger

IDENTIFYING = ("email", "phone", "recipient", "external_id")
"""Personal fields that name one person. A first name or a note would find other persons too."""
MIN_CHARACTERS = 6
"""A shorter text, such as the number 1234 of another system, names nobody alone."""

log = get_logger("privacy")


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

    They are only found until the keys of the person are destroyed. Afterwards there are none. An
    event that cannot be read, or was changed in the log, is logged and has no texts.
    """
    last_keys = await current_ring().last_keys(conn, subject_ids)
    keys = {key.id_text: key for key in last_keys.values()}
    payloads = await read_person_payloads(conn, subject_ids)
    events: dict[UUID, Event | UnreadableEvent] = {
        event_id: read_event(name, version, payload, event_id, sealed, keys)
        for (event_id, name, version, payload), sealed in payloads.whole
        if sealed is None or sealed.key_text in keys
    }
    unreadable = dict(payloads.changed) | {
        event_id: event.why for event_id, event in events.items()
        if isinstance(event, UnreadableEvent)
    }  # fmt: skip
    for event_id, problem in unreadable.items():
        log.warning("erasure.event_unreadable", event_id=str(event_id), problem=problem)
    return frozenset(text for text in _texts(events.values()) if len(text) >= MIN_CHARACTERS)


def _texts(events: Iterable[Event | UnreadableEvent]) -> Iterator[str]:
    for event in events:
        if isinstance(event, Event):
            for name in IDENTIFYING:
                value = getattr(event, name, None) if name in personal_fields(type(event)) else None
                if isinstance(value, str):
                    yield value.strip()
