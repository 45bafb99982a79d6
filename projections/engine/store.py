"""Rows between memory and PostgreSQL: loaded by key, written in sets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from events.log.connection import Connection
from projections.engine.projection import DerivedTable, Row, Rows, Stored, Written

TEXTS_KEPT = 4_096
"""What a statement says follows from its table, schema and place: asking for types is slow."""
COPY_FROM_ROWS = 8
"""From here on COPY costs less than one INSERT of arrays."""


async def fetch(
    conn: Connection,
    table: DerivedTable,
    rows: Rows,
    keys: list[UUID],
    schema: str | None = None,
) -> None:
    """Bring stored rows into memory by key, and those they follow, and what these follow."""
    while keys:
        found = await load(conn, table, keys, schema)
        rows.load(keys, found)
        keys = rows.missing(table.followed(found.values())) if table.follows else []


async def load(
    conn: Connection, table: DerivedTable, keys: Iterable[UUID], schema: str | None = None
) -> dict[UUID, Row]:
    """Stored rows by key."""
    columns = ", ".join(f'"{column}"' for column in table.columns)
    found = await conn.fetch(
        f'SELECT {columns} FROM {schema or table.schema}."{table.name}" '
        f'WHERE "{table.key}" = ANY($1::uuid[])',
        list(keys),
    )
    key = table.key
    return {record[key]: dict(record) for record in found}


async def write(
    conn: Connection,
    changes: Mapping[DerivedTable, Written],
    schema: str | None = None,
) -> None:
    """Write what a batch changed: children are deleted before parents, all else in any order.

    Foreign keys are checked at the commit. What is little is one statement: one way there and back.
    """
    for table, written in reversed(list(changes.items())):
        if written.deleted:
            await conn.execute(
                f'DELETE FROM {schema or table.schema}."{table.name}" '
                f'WHERE "{table.key}" = ANY($1::uuid[])',
                list(written.deleted),
            )
    few: list[_Statement] = []
    for table, written in changes.items():
        home = schema or table.schema
        update = _Statement(_update, table, home, written.updated)
        if len(written.updated) < COPY_FROM_ROWS:
            few.append(update)
        else:
            await _execute(conn, [update])
        if len(written.inserted) < COPY_FROM_ROWS:
            few.append(_Statement(_insert, table, home, written.inserted))
        else:
            await _copy(conn, table, written.inserted, home)
    await _execute(conn, few)


async def insert(conn: Connection, table: DerivedTable, rows: list[Stored], schema: str) -> None:
    """Rows that are new, whatever their number."""
    if len(rows) < COPY_FROM_ROWS:
        await _execute(conn, [_Statement(_insert, table, schema, rows)])
    else:
        await _copy(conn, table, rows, schema)


async def _copy(conn: Connection, table: DerivedTable, rows: list[Stored], schema: str) -> None:
    await conn.copy_records_to_table(
        table.name, schema_name=schema, columns=table.columns, records=rows
    )


class _Statement(NamedTuple):
    """Rows of one table to be sent as an array a column; `text` takes the first array's number."""

    text: Callable[[DerivedTable, str, int], str]
    table: DerivedTable
    schema: str
    rows: list[Stored]


async def _execute(conn: Connection, statements: Sequence[_Statement]) -> None:
    texts: list[str] = []
    arrays: list[tuple[Any, ...]] = []
    for text, table, schema, rows in statements:
        if not rows:
            continue
        texts.append(text(table, schema, len(arrays) + 1))
        columns: list[tuple[Any, ...]] = [*zip(*rows, strict=True)]
        for at in _arrays(table):
            columns[at] = tuple(map(_array, columns[at]))
        arrays += columns
    if texts:
        *before, last = texts
        named = ", ".join(f"part{number} AS ({text})" for number, text in enumerate(before))
        await conn.execute(f"WITH {named} {last}" if named else last, *arrays)


@lru_cache(maxsize=TEXTS_KEPT)
def _insert(table: DerivedTable, schema: str, first: int) -> str:
    names = ", ".join(f'"{column}"' for column in table.columns)
    read = ", ".join(_read(table, column) for column in table.columns)
    return (
        f'INSERT INTO {schema}."{table.name}" ({names}) '
        f"SELECT {read} FROM {_unnest(table, first)} AS changed ({names})"
    )


@lru_cache(maxsize=TEXTS_KEPT)
def _update(table: DerivedTable, schema: str, first: int) -> str:
    names = ", ".join(f'"{column}"' for column in table.columns)
    assignments = ", ".join(
        f'"{column}" = {_read(table, column)}' for column in table.columns if column != table.key
    )
    return (
        f'UPDATE {schema}."{table.name}" AS stored SET {assignments} '
        f"FROM {_unnest(table, first)} AS changed ({names}) "
        f'WHERE stored."{table.key}" = changed."{table.key}"'
    )


def _unnest(table: DerivedTable, first: int) -> str:
    """An array a column; arrays themselves are sent as texts, for an array of arrays is flat."""
    kinds = [
        "TEXT" if column in table.array_columns else kind
        for column, kind in zip(table.columns, table.types, strict=True)
    ]
    arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(kinds, start=first))
    return f"unnest({arrays})"


def _read(table: DerivedTable, column: str) -> str:
    """A column of what `_unnest` gives, named `changed`, in the column's own type."""
    kind = table.types[table.columns.index(column)]
    return f'changed."{column}"' + (f"::{kind}" if column in table.array_columns else "")


@cache
def _arrays(table: DerivedTable) -> list[int]:
    """Where a table's rows have arrays of texts."""
    return [table.columns.index(name) for name in table.array_columns]


def _array(texts: Sequence[str] | None) -> str | None:
    """An array of texts as PostgreSQL spells it."""
    if texts is None:
        return None
    quoted = (text.replace("\\", r"\\").replace('"', r"\"") for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
