"""Rows between memory and PostgreSQL: loaded by key, written in sets."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from events.log.connection import Connection
from projections.engine.projection import DerivedTable, Row, Stored, Written

COPY_FROM_ROWS = 8
"""From here on COPY costs less than one INSERT of arrays."""


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
    """Write what a batch changed: children are deleted before parents, the rest in table order."""
    for table, written in reversed(list(changes.items())):
        if written.deleted:
            await conn.execute(
                f'DELETE FROM {schema or table.schema}."{table.name}" '
                f'WHERE "{table.key}" = ANY($1::uuid[])',
                list(written.deleted),
            )
    for table, written in changes.items():
        if written.updated:
            await _update(conn, table, written.updated, schema or table.schema)
        if written.inserted:
            await insert(conn, table, written.inserted, schema or table.schema)


async def insert(conn: Connection, table: DerivedTable, rows: list[Stored], schema: str) -> None:
    columns = table.columns
    if len(rows) >= COPY_FROM_ROWS:
        await conn.copy_records_to_table(
            table.name, schema_name=schema, columns=columns, records=rows
        )
        return
    names = ", ".join(f'"{column}"' for column in columns)
    await conn.execute(
        f'INSERT INTO {schema}."{table.name}" ({names}) SELECT * FROM {_unnest(table)}',
        *zip(*rows, strict=True),
    )


async def _update(conn: Connection, table: DerivedTable, rows: list[Stored], schema: str) -> None:
    columns = table.columns
    names = ", ".join(f'"{column}"' for column in columns)
    assignments = ", ".join(
        f'"{column}" = changed."{column}"' for column in columns if column != table.key
    )
    await conn.execute(
        f'UPDATE {schema}."{table.name}" AS stored SET {assignments} '
        f"FROM {_unnest(table)} AS changed ({names}) "
        f'WHERE stored."{table.key}" = changed."{table.key}"',
        *zip(*rows, strict=True),
    )


def _unnest(table: DerivedTable) -> str:
    arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(table.types, start=1))
    return f"unnest({arrays})"
