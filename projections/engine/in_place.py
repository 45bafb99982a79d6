"""In-place tables: a rebuild corrects them by writing differences, because they are not swapped.

The host owned them before the core. Its other columns, its rows that are not adopted, and
everything that depends on these tables stay as they are.
"""

from collections.abc import Sequence

from events.log.connection import Connection
from projections.engine import host_triggers
from projections.engine.derived_table import DerivedTable


async def write_differences(
    conn: Connection,
    tables: Sequence[DerivedTable],
    schema: str,
    old_schema: str,
    *,
    is_shared: bool,
) -> None:
    """Make the rows of live tables equal to their shadow tables, in the caller's transaction.

    The former values of changed rows are stored in `old_schema`. `is_shared`: the host writes these
    tables too, so rows without an organisation are the host's and stay. Foreign keys are checked
    before this returns. Columns that triggers of the host write stay as they are.
    """
    host_columns = await host_triggers.read_host_columns(
        conn, [table.live_name for table in tables]
    )
    compared = {
        table: [
            column
            for column in table.columns
            if column not in host_columns.get(table.name, frozenset())
        ]
        for table in tables
    }
    for table in tables:
        await _store_former_rows(conn, table, compared[table], schema, old_schema, is_shared)
    for table in reversed(tables):  # children first
        await conn.execute(
            f"DELETE FROM {table.live_name} AS live WHERE {_owned_by_core(is_shared)} "
            f"AND NOT EXISTS (SELECT FROM {schema}.{table.name} AS new WHERE {_same_key(table)})"
        )
    for table in tables:
        names = ", ".join(f'"{column}"' for column in table.columns)
        assignments = ", ".join(
            f'"{column}" = new."{column}"' for column in compared[table] if column != table.key
        )
        await conn.execute(
            f"UPDATE {table.live_name} AS live SET {assignments} "
            f"FROM {schema}.{table.name} AS new WHERE {_same_key(table)} "
            f"AND {_differs(compared[table])}"
        )
        await conn.execute(
            f"INSERT INTO {table.live_name} ({names}) "
            f"SELECT {names} FROM {schema}.{table.name} AS new WHERE NOT EXISTS "
            f"(SELECT FROM {table.live_name} AS live WHERE {_same_key(table)})"
        )
    # PostgreSQL refuses to alter a table while checks of it are pending.
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def _store_former_rows(
    conn: Connection,
    table: DerivedTable,
    compared: Sequence[str],
    schema: str,
    old_schema: str,
    is_shared: bool,
) -> None:
    names = ", ".join(f'live."{column}"' for column in table.columns)
    await conn.execute(
        f"CREATE TABLE {old_schema}.{table.name} AS SELECT {names} FROM {table.live_name} AS live "
        f"LEFT JOIN {schema}.{table.name} AS new ON {_same_key(table)} "
        f'WHERE {_differs(compared)} AND (new."{table.key}" IS NOT NULL '
        f"OR {_owned_by_core(is_shared)})"
    )


def _owned_by_core(is_shared: bool) -> str:
    return "live.org_id IS NOT NULL" if is_shared else "true"


def _same_key(table: DerivedTable) -> str:
    return f'live."{table.key}" = new."{table.key}"'


def _differs(columns: Sequence[str]) -> str:
    live = ", ".join(f'live."{column}"' for column in columns)
    new = ", ".join(f'new."{column}"' for column in columns)
    return f"ROW({live}) IS DISTINCT FROM ROW({new})"
