"""The export of one person as one JSON document."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.privacy.person_export import Person, encode, list_tables
from services.privacy.person_records import list_records


async def export_json(
    conn: AsyncConnection, log: asyncpg.Connection, person: Person, exported_at: datetime
) -> AsyncIterator[bytes]:
    """Yield a JSON document: `lead_id`, `lead_ids`, `exported_at`, and two objects of name → rows.

    `tables` are read with `conn`, as the caller; `records` with `log`, in its open transaction.
    """
    head = {"lead_id": person.lead_id, "lead_ids": person.lead_ids, "exported_at": exported_at}
    yield encode(head)[:-1] + b',"tables":{'
    async for part in _encode_sections(list_tables(conn, person)):
        yield part
    yield b'},"records":{'
    async for part in _encode_sections(list_records(log, person)):
        yield part
    yield b"}}\n"


async def _encode_sections(
    sections: Iterable[tuple[str, AsyncIterator[Mapping[str, Any]]]],
) -> AsyncIterator[bytes]:
    for number, (name, rows) in enumerate(sections):
        yield (b"," if number else b"") + encode(name) + b":["
        separator = b""
        async for row in rows:
            yield separator + encode(row)
            separator = b","
        yield b"]"
