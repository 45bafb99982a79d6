"""The rows of one person in all tables, read page by page from one snapshot."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from projections import leads
from services.deciders.delivery_steps import describe_reason
from services.privacy.person_tables import PERSON_TABLES, PersonTable

PAGE_ROWS = 500
"""Number of rows that are in memory at a time."""
IN_WORDS = "in_words"
"""The member of a row that says in words what its codes mean."""
_JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True)
class Person:
    """A person: the surviving lead, and all leads that were merged into it, itself included."""

    org_id: UUID
    lead_id: UUID
    lead_ids: tuple[UUID, ...]


def snapshot_engine(engine: AsyncEngine) -> AsyncEngine:
    """Return the engine with transactions that read one snapshot and write nothing."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


async def find_person(conn: AsyncConnection, org_id: UUID, lead_id: UUID) -> Person | None:
    """Return the person of a lead, merged or not; None if the organisation has no such lead."""
    row = (await conn.execute(leads.person(org_id, lead_id))).mappings().first()
    return None if row is None else Person(org_id, row["id"], tuple(row["members"]))


async def read_rows(
    conn: AsyncConnection, person: Person, table: PersonTable
) -> AsyncIterator[dict[str, Any]]:
    """Yield the rows of a person in a table, the oldest first, with the columns of the host."""
    query = table.rows_of(person.org_id, person.lead_ids)
    if table.derived.is_in_place:
        query = query.add_columns(*await _host_columns(conn, table))
    result = await conn.stream(query, execution_options={"yield_per": PAGE_ROWS})
    async for row in result.mappings():
        yield add_words(table.table.name, dict(row))


async def _host_columns(conn: AsyncConnection, table: PersonTable) -> list["sa.ColumnElement[Any]"]:
    """Return the columns of a host table that the core does not know, each as JSON."""
    names = await conn.scalars(
        sa.text(
            "SELECT column_name::text FROM information_schema.columns "
            "WHERE table_schema = :schema AND table_name = :name ORDER BY ordinal_position"
        ),
        {"schema": table.derived.schema, "name": table.derived.name},
    )
    return [
        sa.func.to_jsonb(sa.column(name, _selectable=table.table), type_=JSONB).label(name)
        for name in names
        if name not in table.derived.columns
    ]


def add_words(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return the row, and for a score its reasons and for a message its reason in words."""
    match table:
        case "lead_scores":
            parts = [f"{part['factor']} {part['impact']}" for part in row["factors"]]
            words = f"{row['total_score']} of 100, {row['score_bucket']}: {', '.join(parts)}"
        case "deliveries" if row["reason"]:
            words = f"{row['status']}: {describe_reason(row['reason'])}"
        case _:
            return row
    return {**row, IN_WORDS: words}


def list_tables(
    conn: AsyncConnection, person: Person
) -> Iterator[tuple[str, AsyncIterator[dict[str, Any]]]]:
    """Return name → rows of every table with rows of persons."""
    return ((name, read_rows(conn, person, table)) for name, table in PERSON_TABLES.items())


def encode(value: Mapping[str, Any] | str) -> bytes:
    """Return a value as JSON, with instants in UTC."""
    return orjson.dumps(value, default=str, option=_JSON_OPTIONS)
