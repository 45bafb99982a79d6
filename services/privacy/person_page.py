"""The export of one person as one HTML page, which needs no other file and makes no request."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import asyncpg
import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from projections import leads
from services.privacy.person_export import Person, list_tables
from services.privacy.person_records import list_records

PART_CHARACTERS = 64 * 1024
"""Least size of a part of the page that is sent, except for the last one."""
_ENVIRONMENT = Environment(
    loader=PackageLoader("services.privacy"), autoescape=True, enable_async=True,
    undefined=StrictUndefined, trim_blocks=True,
)  # fmt: skip

Entry = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: the rows of a table, each as pairs of label and text."""

    title: str
    entries: AsyncIterator[Entry]


async def export_page(
    conn: AsyncConnection, log: asyncpg.Connection, person: Person, exported_at: datetime
) -> AsyncIterator[bytes]:
    """Yield the page in parts, from the same sources as `export_json`. Every value is escaped."""
    page = _ENVIRONMENT.get_template("person.html").generate_async(
        name=await _find_name(conn, person), exported_at=show(exported_at),
        sections=_list_sections(conn, log, person),
    )  # fmt: skip
    waiting: list[str] = []
    size = 0
    async for text in page:
        waiting.append(text)
        size += len(text)
        if size >= PART_CHARACTERS:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    yield "".join(waiting).encode()


async def _find_name(conn: AsyncConnection, person: Person) -> str:
    columns = leads.TABLE.c
    row = (await conn.execute(
        select(columns.first_name, columns.last_name, columns.email, columns.phone)
        .where(columns.id == person.lead_id)
    )).one()  # fmt: skip
    full_name = " ".join(part for part in (row.first_name, row.last_name) if part)
    return full_name or row.email or row.phone or f"lead {person.lead_id}"


def _list_sections(
    conn: AsyncConnection, log: asyncpg.Connection, person: Person
) -> Iterator[Section]:
    for name, rows in chain(list_tables(conn, person), list_records(log, person)):
        yield Section(label_of(name.rpartition(".")[2]), _list_entries(rows))


async def _list_entries(rows: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[Entry]:
    async for row in rows:
        yield [(label_of(name), show(value)) for name, value in row.items() if value is not None]


def label_of(name: str) -> str:
    """Return the name of a table or a column as words."""
    return name.replace("_", " ").capitalize()


def show(value: Any) -> str:
    """Return a value as text: an instant in UTC to the second, JSON with its structure."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()
    return str(value)
