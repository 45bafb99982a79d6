"""Kept tables: what a rebuild found different is written into them, for nothing takes their place.

They were the host's before. Its columns, its rows that no fact tells of, and what others made
dependent on these tables stay; so do grants, policies, triggers and foreign keys.
"""

from collections.abc import Sequence

from events.log.connection import Connection
from projections.engine.projection import DerivedTable


async def write_differences(
    conn: Connection, tables: Sequence[DerivedTable], schema: str, old_schema: str, *, shared: bool
) -> None:
    """Make these live tables say what their twins say, in the caller's transaction.

    What rows said before is kept in `old_schema`. `shared`: rows without an organisation are the
    host's alone, and stay. Foreign keys are checked before this returns.
    """
    for table in tables:
        await _remember(conn, table, schema, old_schema, shared)
    for table in reversed(tables):
        await conn.execute(
            f"DELETE FROM {_live(table)} AS live WHERE {_mine(shared)} AND NOT EXISTS "
            f'(SELECT FROM {schema}.{table.name} AS new WHERE new."{table.key}" = '
            f'live."{table.key}")'
        )
    for table in tables:
        names = ", ".join(f'"{column}"' for column in table.columns)
        assignments = ", ".join(
            f'"{column}" = new."{column}"' for column in table.columns if column != table.key
        )
        await conn.execute(
            f"UPDATE {_live(table)} AS live SET {assignments} FROM {schema}.{table.name} AS new "
            f"WHERE {_same_key(table)} AND {_differs(table)}"
        )
        await conn.execute(
            f"INSERT INTO {_live(table)} ({names}) "
            f"SELECT {names} FROM {schema}.{table.name} AS new WHERE NOT EXISTS "
            f"(SELECT FROM {_live(table)} AS live WHERE {_same_key(table)})"
        )
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")  # tables with checks due cannot be altered


async def _remember(
    conn: Connection, table: DerivedTable, schema: str, old_schema: str, shared: bool
) -> None:
    names = ", ".join(f'live."{column}"' for column in table.columns)
    await conn.execute(
        f"CREATE TABLE {old_schema}.{table.name} AS SELECT {names} FROM {_live(table)} AS live "
        f"LEFT JOIN {schema}.{table.name} AS new ON {_same_key(table)} "
        f'WHERE {_differs(table)} AND (new."{table.key}" IS NOT NULL OR {_mine(shared)})'
    )


def _live(table: DerivedTable) -> str:
    return f"{table.schema}.{table.name}"


def _mine(shared: bool) -> str:
    return "live.org_id IS NOT NULL" if shared else "true"


def _same_key(table: DerivedTable) -> str:
    return f'live."{table.key}" = new."{table.key}"'


def _differs(table: DerivedTable) -> str:
    live = ", ".join(f'live."{column}"' for column in table.columns)
    new = ", ".join(f'new."{column}"' for column in table.columns)
    return f"ROW({live}) IS DISTINCT FROM ROW({new})"
