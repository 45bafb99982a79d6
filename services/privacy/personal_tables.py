"""The tables with personal columns, computed from their marks: rows of data subjects in them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.keys.store import Source
from projections.catalog import LIVE
from projections.engine.derived_table import DerivedTable

PERSONAL_TABLES = tuple(table for table in LIVE.tables if table.erased_values)


@dataclass(frozen=True, slots=True)
class PersonRows:
    """The rows of data subjects in a table; `readable` of them have a personal value."""

    table: str
    rows: int
    readable: int


async def count_rows(source: Source, subject_ids: Collection[UUID]) -> list[PersonRows]:
    """Return the number of rows of these data subjects in each table with personal columns."""
    return [await _count(source, table, subject_ids) for table in PERSONAL_TABLES]


async def _count(source: Source, table: DerivedTable, subject_ids: Collection[UUID]) -> PersonRows:
    has_value = " OR ".join(
        f'"{column}" IS DISTINCT FROM {_literal(value)}'
        for column, value in table.erased_values.items()
    )
    row = await source.fetchrow(
        f"SELECT count(*) AS rows, count(*) FILTER (WHERE {has_value}) AS readable "
        f'FROM {table.live_name} WHERE "{table.subject_column}" = ANY($1::uuid[])',
        list(subject_ids),
    )
    if row is None:
        raise RuntimeError("an aggregate returns a row")
    return PersonRows(table.live_name, row["rows"], row["readable"])


def _literal(value: Any) -> str:
    """Return an erased value in SQL: null, a text, or an empty JSON object."""
    if value is None:
        return "NULL"
    return "'{}'::jsonb" if value == {} else f"'{value}'"
