"""The row store: loads rows from PostgreSQL by key, and writes changed rows in sets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from events.log.connection import Connection
from projections.engine import erasure
from projections.engine.derived_table import DerivedTable, Row, StoredRow, naming_tables
from projections.engine.table_rows import RowChanges, TableRows

CACHED_TEXTS = 4_096
"""Cached SQL texts. A text depends on table, schema and parameter number, and is slow to make."""
COPY_FROM_ROWS = 8
"""Number of rows from which COPY is faster than one INSERT of arrays."""


async def fetch(
    conn: Connection,
    table: DerivedTable,
    rows: TableRows,
    keys: list[UUID],
    schema: str | None = None,
) -> None:
    """Load stored rows into memory by key, and all rows that can be reached by following."""
    while keys:
        stored = await load(conn, table, keys, schema)
        rows.load(keys, stored)
        keys = rows.missing_keys(table.followed_keys(stored.values())) if table.follows else []


async def load(
    conn: Connection, table: DerivedTable, keys: Iterable[UUID], schema: str | None = None
) -> dict[UUID, Row]:
    """Return stored rows by key."""
    columns = ", ".join(f'"{column}"' for column in table.columns)
    records = await conn.fetch(
        f'SELECT {columns} FROM {schema or table.schema}."{table.name}" '
        f'WHERE "{table.key}" = ANY($1::uuid[])',
        list(keys),
    )
    key = table.key
    return {record[key]: dict(record) for record in records}


async def write(
    conn: Connection,
    changes: Mapping[DerivedTable, RowChanges],
    schema: str | None = None,
) -> None:
    """Write the changes of a batch, in the caller's transaction.

    Rows are deleted children first, because foreign key actions never run. The rest may be written
    in any order after the erasures: foreign keys are deferred. Small sets of rows are joined in one
    statement. A note of each error names the tables.
    """
    for table, change in reversed(list(changes.items())):
        if change.deleted:
            with naming_tables([table]):
                await conn.execute(
                    f'DELETE FROM {schema or table.schema}."{table.name}" '
                    f'WHERE "{table.key}" = ANY($1::uuid[])', change.deleted,
                )  # fmt: skip
    await erasure.scrub_stored_rows(conn, changes, schema)
    small: list[_Statement] = []
    for table, change in changes.items():
        target = schema or table.schema
        update = _Statement(_update, table, target, change.updated)
        if len(change.updated) < COPY_FROM_ROWS:
            small.append(update)
        else:
            await _execute(conn, [update])
        if len(change.inserted) < COPY_FROM_ROWS:
            small.append(_Statement(_insert, table, target, change.inserted))
        else:
            await _copy(conn, table, change.inserted, target)
    await _execute(conn, small)


async def insert(conn: Connection, table: DerivedTable, rows: list[StoredRow], schema: str) -> None:
    """Insert new rows."""
    if len(rows) < COPY_FROM_ROWS:
        await _execute(conn, [_Statement(_insert, table, schema, rows)])
    else:
        await _copy(conn, table, rows, schema)


async def _copy(conn: Connection, table: DerivedTable, rows: list[StoredRow], schema: str) -> None:
    with naming_tables([table]):
        await conn.copy_records_to_table(
            table.name, schema_name=schema, columns=table.columns, records=rows
        )


class _Statement(NamedTuple):
    """Rows of one table that are sent as one array for each column.

    `text` makes the SQL text; its last argument is the parameter number of the first array.
    """

    text: Callable[[DerivedTable, str, int], str]
    table: DerivedTable
    schema: str
    rows: list[StoredRow]


async def _execute(conn: Connection, statements: Sequence[_Statement]) -> None:
    """Execute statements as one: all but the last become common table expressions."""
    texts: list[str] = []
    arrays: list[tuple[Any, ...]] = []
    for text, table, schema, rows in statements:
        if not rows:
            continue
        texts.append(text(table, schema, len(arrays) + 1))
        columns: list[tuple[Any, ...]] = [*zip(*rows, strict=True)]
        for at in _array_indexes(table):
            columns[at] = tuple(map(_array_literal, columns[at]))
        arrays += columns
    if texts:
        *before, last = texts
        parts = ", ".join(f"part{number} AS ({text})" for number, text in enumerate(before))
        with naming_tables(dict.fromkeys(table for _, table, _, rows in statements if rows)):
            await conn.execute(f"WITH {parts} {last}" if parts else last, *arrays)


@lru_cache(maxsize=CACHED_TEXTS)
def _insert(table: DerivedTable, schema: str, first: int) -> str:
    names = ", ".join(f'"{column}"' for column in table.columns)
    values = ", ".join(_value(table, column) for column in table.columns)
    return (
        f'INSERT INTO {schema}."{table.name}" ({names}) '
        f"SELECT {values} FROM {_unnest(table, first)} AS changed ({names})"
    )


@lru_cache(maxsize=CACHED_TEXTS)
def _update(table: DerivedTable, schema: str, first: int) -> str:
    names = ", ".join(f'"{column}"' for column in table.columns)
    assignments = ", ".join(
        f'"{column}" = {_value(table, column)}' for column in table.columns if column != table.key
    )
    return (
        f'UPDATE {schema}."{table.name}" AS stored SET {assignments} '
        f"FROM {_unnest(table, first)} AS changed ({names}) "
        f'WHERE stored."{table.key}" = changed."{table.key}"'
    )


def _unnest(table: DerivedTable, first: int) -> str:
    """Return the `unnest` of one array for each column.

    The values of array columns are sent as texts, because `unnest` flattens an array of arrays.
    """
    types = [
        "TEXT" if column in table.array_columns else kind
        for column, kind in zip(table.columns, table.column_types, strict=True)
    ]
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, start=first))
    return f"unnest({arrays})"


def _value(table: DerivedTable, column: str) -> str:
    """Return a column of `changed` in the type of the table's column."""
    kind = table.column_types[table.columns.index(column)]
    return f'changed."{column}"' + (f"::{kind}" if column in table.array_columns else "")


@cache
def _array_indexes(table: DerivedTable) -> list[int]:
    """Return the indexes of the columns that contain arrays of texts."""
    return [table.columns.index(name) for name in table.array_columns]


def _array_literal(texts: Sequence[str] | None) -> str | None:
    """Return an array of texts as PostgreSQL spells it."""
    if texts is None:
        return None
    quoted = (text.replace("\\", r"\\").replace('"', r"\"") for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
