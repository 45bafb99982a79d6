"""Shadow tables: tables with the names of the live tables in a schema of their own.

The definition of a live table is read from PostgreSQL: defaults, indexes, constraints. So a shadow
table also gets everything that a migration or the host has added.
"""

from collections.abc import Sequence

from events.log.connection import Connection
from events.log.locks import lock_name
from projections.engine.derived_table import DerivedTable

KEY_INDEX_PREFIX = "crm_shadow_"
"""Prefix of indexes that serve only while a shadow table is filled."""


async def create(conn: Connection, tables: Sequence[DerivedTable], schema: str) -> None:
    """Create empty, unlogged shadow tables without indexes and constraints.

    Tables that the schema contains already are dropped.
    """
    async with conn.transaction():
        await conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
        for table in tables:
            await conn.execute(f"CREATE UNLOGGED TABLE {schema}.{table.name} {_columns(table)}")


def _columns(table: DerivedTable) -> str:
    """Return the columns of a shadow table as SQL.

    For an in-place table these are the columns of the core only: it does not write the others.
    """
    if table.is_in_place:
        columns = ", ".join(f'"{column}"' for column in table.columns)
        return f"AS SELECT {columns} FROM {table.live_name} WITH NO DATA"
    return f"(LIKE {table.live_name} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE)"


async def drop(conn: Connection, schema: str) -> None:
    await conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


async def create_key_index(conn: Connection, table: DerivedTable, schema: str) -> None:
    """Create an index on the key of a shadow table that is being filled.

    Several workers may do so at once. `IF NOT EXISTS` checks and creates in two steps and fails
    then, so a lock orders them.
    """
    name = f"{KEY_INDEX_PREFIX}{table.name}"
    async with conn.transaction():
        await lock_name(conn, f"{schema}.{name}")
        await conn.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON {schema}.{table.name} ({table.key})"
        )


async def complete(conn: Connection, table: DerivedTable, schema: str) -> None:
    """Give a filled shadow table the indexes, keys and checks of its live table.

    The table becomes logged, so that it survives a crash after the swap. The shadow of an in-place
    table is never swapped: it needs a primary key only.
    """
    await conn.execute(f"DROP INDEX IF EXISTS {schema}.{KEY_INDEX_PREFIX}{table.name}")
    if table.is_in_place:
        await conn.execute(f'ALTER TABLE {schema}.{table.name} ADD PRIMARY KEY ("{table.key}")')
        return
    async with conn.transaction():
        # No search path: PostgreSQL then spells every name with its schema. The commit need not
        # wait for the disk, because the commit of the swap waits for everything before it.
        await conn.execute(
            "SET LOCAL search_path = ''; SET LOCAL maintenance_work_mem = '256MB'; "
            "SET LOCAL synchronous_commit = off"
        )
        await conn.execute(f"ALTER TABLE {schema}.{table.name} SET LOGGED")
        await _copy_constraints(conn, table, schema)
        await _copy_indexes(conn, table, schema)
    # Other columns, above all texts and JSON, would take most of the time, and no plan uses them.
    searched = ", ".join(f'"{column}"' for column in table.searched_columns)
    await conn.execute(f"ANALYZE {schema}.{table.name} ({searched})")


async def _copy_constraints(conn: Connection, table: DerivedTable, schema: str) -> None:
    """Copy primary key, unique and check constraints."""
    for row in await conn.fetch(
        "SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint "
        "WHERE conrelid = $1::text::regclass AND contype IN ('p', 'u', 'c') ORDER BY contype",
        table.live_name,
    ):
        await conn.execute(
            f'ALTER TABLE {schema}.{table.name} ADD CONSTRAINT "{row["conname"]}" '
            f"{row['definition']}"
        )


async def _copy_indexes(conn: Connection, table: DerivedTable, schema: str) -> None:
    """Copy the indexes that no constraint creates, except key indexes of an earlier rebuild."""
    for row in await conn.fetch(
        "SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index "
        "WHERE indrelid = $1::text::regclass AND NOT EXISTS "
        "(SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u')) "
        "AND NOT EXISTS (SELECT FROM pg_class "
        "WHERE oid = indexrelid AND starts_with(relname, $2))",
        table.live_name,
        KEY_INDEX_PREFIX,
    ):
        shadow_name = f" ON {schema}.{table.name} "
        await conn.execute(row["definition"].replace(f" ON {table.live_name} ", shadow_name))
