"""Data of a person outside of the tables: sent messages, and records of producers.

The text of a sent message is in the log alone. A record is kept if the intake refused it, or if it
waits for its subject. All is read with a connection of the core, and only in the property of the
person: nobody else's producer has written it.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import orjson

from events.deliveries import DeliveryHandedOver
from events.event import Event
from events.keys.contents import open_each
from events.keys.data_key import TamperedValue
from events.log import read
from events.record import Cause, Stream
from services.application.erasures import find_erasable
from services.application.person_terms import PersonTerms
from services.application.scope import Scope
from services.application.sealed_tables import SealedTable, find_rows
from services.application.unit_of_work import UnitOfWork
from services.host import find_stream_owner
from services.privacy.person_export import PAGE_ROWS, Person
from services.privacy.person_texts import read_stored_texts

Rows: TypeAlias = AsyncIterator[dict[str, Any]]


async def read_sent_messages(conn: asyncpg.Connection, person: Person) -> Rows:
    """Yield each message as it was handed over, the oldest first."""
    cursor = await conn.cursor(
        f"SELECT {read.COLUMNS} FROM public.crm_events WHERE lead_id = ANY($1::uuid[]) "
        "AND entity_type = 'delivery' AND event_type = $2 ORDER BY seq",
        list(person.lead_ids),
        DeliveryHandedOver.name,
    )
    while page := await cursor.fetch(PAGE_ROWS):
        for recorded in await read.decode_rows(conn, page):
            event, head = recorded.event, {"sent_at": recorded.occurred_at}
            if isinstance(event, Event):
                yield head | event.model_dump(mode="json", exclude_none=True)
            else:
                yield head | {"event_id": str(recorded.id), "unreadable": event.why}


async def read_dead_letters(conn: asyncpg.Connection, person: Person) -> Rows:
    """Yield each record about the person that the intake refused, the oldest first."""
    async for row in _read_sealed(conn, person, SealedTable.DEAD_LETTERS):
        yield row


async def read_pending_records(conn: asyncpg.Connection, person: Person) -> Rows:
    """Yield each record about the person that waits for its subject, the oldest first."""
    async for row in _read_sealed(conn, person, SealedTable.INTAKE_WAITING):
        yield row


RECORDS: Mapping[str, Callable[[asyncpg.Connection, Person], Rows]] = {
    "sent_messages": read_sent_messages,
    "dead_letters": read_dead_letters,
    "pending_records": read_pending_records,
}
"""Name in the export → the rows of a person, in the open transaction."""
_COLUMNS = {
    SealedTable.DEAD_LETTERS: "id, first_at AS received_at, ce_source, event_type, reason, status, "
    "content",
    SealedTable.INTAKE_WAITING: "id, first_seen AS received_at, content",
}


def list_records(conn: asyncpg.Connection, person: Person) -> Iterator[tuple[str, Rows]]:
    """Return name → rows of everything that is in no table."""
    return ((name, read_rows(conn, person)) for name, read_rows in RECORDS.items())


async def _read_sealed(conn: asyncpg.Connection, person: Person, table: SealedTable) -> Rows:
    terms = await _read_terms(conn, person)
    found = [row.id for row in await find_rows(conn, terms, [table])]
    cursor = await conn.cursor(
        f"SELECT {_COLUMNS[table]} FROM crm.{table} WHERE id = ANY($1::uuid[]) "
        "AND property_id = ANY($2::uuid[]) ORDER BY received_at, id",
        found,
        list(terms.property_ids),
    )
    while page := await cursor.fetch(PAGE_ROWS):
        contents = await open_each(conn, [row["content"] for row in page])
        for row, content in zip(page, contents, strict=True):
            if content is not None:
                columns = {name: row[name] for name in dict(row) if name != "content"}
                yield columns | _describe_record(content)


async def _read_terms(conn: asyncpg.Connection, person: Person) -> PersonTerms:
    """Return what identifies the person. Raise `ValueError` if the log does not have the lead."""
    owner = await find_stream_owner(conn, Stream("lead", person.lead_id))
    if owner is None or owner[1] is None:
        raise ValueError(f"the log has no lead {person.lead_id}")
    scope = Scope(owner[0], owner[1], datetime.now(UTC), Cause("export"))
    leads = await find_erasable(UnitOfWork(conn, scope, None), person.lead_id)
    subjects = frozenset(person.lead_ids).union(*(lead.subjects for lead in leads))
    return PersonTerms(frozenset({owner[1]}), subjects, await read_stored_texts(conn, subjects))


def _describe_record(content: bytes | TamperedValue) -> dict[str, str]:
    """Return why a record was refused, and its value as text.

    Before them, the content has a line of JSON with the length of the key.
    """
    if isinstance(content, TamperedValue):
        return {"detail": f"the record cannot be read: {content}", "value": ""}
    line, _, rest = content.partition(b"\n")
    head = orjson.loads(line)
    value = rest[head["key"] or 0 :].decode("utf-8", "replace")
    return {"detail": head["detail"], "value": value}
