"""The inspection after an erasure: every place with personal data is looked at again.

The tables come from the marks of their columns, the other places from the modules that write them.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.codec import read_event
from events.event import Event
from events.keys import store
from events.keys.errors import DataKeyMissing
from events.keys.ring import current_ring
from events.log.connection import Connection
from events.log.refused_changes import open_payload
from events.personal import data_subject, personal_content
from events.record import UnreadableEvent
from services.application.person_terms import PersonTerms
from services.application.sealed_tables import SealedTable, find_rows
from services.privacy.person_payloads import read_person_payloads
from services.privacy.personal_tables import count_rows

LOG, KEYS, STAGED = "public.crm_events", "crm_keys.data_keys", "crm.staged_changes"


@dataclass(frozen=True, slots=True)
class InspectedPlace:
    """A place with the number of rows of the person; `readable` of them have personal values.

    `changed` are the ids of events whose stored payload somebody changed: nobody can say what they
    contain.
    """

    place: str
    rows: int
    readable: int
    changed: tuple[UUID, ...] = ()

    @property
    def has_problem(self) -> bool:
        """Return whether the place has, or can have, personal values of the person."""
        return bool(self.readable or self.changed)


async def inspect(
    conn: Connection, property_ids: Iterable[UUID], subject_ids: Collection[UUID]
) -> list[InspectedPlace]:
    """Look at every place, in the open transaction. Raises `DataKeyMissing`."""
    return [
        await _inspect_log(conn, subject_ids),
        await _inspect_keys(conn, subject_ids),
        *(
            InspectedPlace(table.table, table.rows, table.readable)
            for table in await count_rows(conn, subject_ids)
        ),
        await _inspect_staged_changes(conn, subject_ids),
        *await _inspect_contents(conn, property_ids, subject_ids),
    ]


async def _inspect_log(conn: Connection, subject_ids: Collection[UUID]) -> InspectedPlace:
    """Count the events about the person, and those whose values a key or nothing protects."""
    keys = await current_ring().last_keys(conn, subject_ids)
    payloads = await read_person_payloads(conn, subject_ids)
    readable = 0
    for (_, name, version, payload), sealed in payloads.whole:
        if sealed is not None:
            readable += sealed.key_id in keys
            continue
        event = read_event(name, version, payload)
        readable += _has_clear_values(event, subject_ids)
    rows = len(payloads.whole) + len(payloads.changed)
    return InspectedPlace(LOG, rows, readable, tuple(sorted(payloads.changed)))


def _has_clear_values(event: Event | UnreadableEvent, subject_ids: Collection[UUID]) -> bool:
    """Return whether an event without encrypted values has personal ones of the person."""
    if isinstance(event, UnreadableEvent):
        return True
    return data_subject(event) in subject_ids and bool(personal_content(event))


async def _inspect_keys(conn: Connection, subject_ids: Collection[UUID]) -> InspectedPlace:
    keys = await store.read_keys_of(await current_ring().store_of(conn), subject_ids)
    left = sum(key.wrapped is not None for key in keys.values())
    return InspectedPlace(KEYS, len(keys), left)


async def _inspect_staged_changes(
    conn: Connection, subject_ids: Collection[UUID]
) -> InspectedPlace:
    """Count changes of the host that are not in the log yet: only refused ones are encrypted."""
    rows = await conn.fetch(
        "SELECT payload::text AS payload FROM crm.staged_changes "
        "WHERE entity_id = ANY($1::uuid[]) OR payload ->> 'lead_id' = ANY($2::text[])",
        list(subject_ids),
        list(map(str, subject_ids)),
    )
    readable = 0
    for row in rows:
        with suppress(ValueError, DataKeyMissing):
            await open_payload(conn, row["payload"])
            readable += 1
    return InspectedPlace(STAGED, len(rows), readable)


async def _inspect_contents(
    conn: Connection, property_ids: Iterable[UUID], subject_ids: Collection[UUID]
) -> list[InspectedPlace]:
    person = PersonTerms(frozenset(property_ids), frozenset(subject_ids), frozenset())
    found: list[Any] = [row.table for row in await find_rows(conn, person)]
    return [
        InspectedPlace(f"crm.{table}", found.count(table), found.count(table))
        for table in SealedTable
    ]
