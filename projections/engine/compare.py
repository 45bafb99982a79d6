"""Comparison of live tables with shadow tables: counts, checksums and sample differences."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from projections.engine import adoption, host_triggers
from projections.engine.adoption import HostRows
from projections.engine.derived_table import DerivedTable
from projections.engine.parallel import run_for_tables
from projections.engine.projection_group import ProjectionGroup
from projections.engine.row_difference import RowDifference, find_different_columns
from projections.engine.tail import Progress

MAX_DIFFERENCES = 20
"""Sample differences that are reported for a table."""
TIMEOUT_SECONDS = 86_400.0
"""Limit for a query that reads a whole table; the usual limit of a connection is too short."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result for one table."""

    table: str
    live_rows: int
    rebuilt_rows: int
    equal: bool
    differences: list[RowDifference] = field(default_factory=list)


async def compare_tables(
    pool: asyncpg.Pool,
    snapshot: Connection,
    part: ProjectionGroup,
    live_group: str,
    schema: str,
    progress: Progress,
) -> list[Comparison]:
    """Compare all tables in parallel, on connections that share the snapshot of `snapshot`."""
    host = await adoption.read_host_rows(snapshot, live_group)
    in_place = [table.live_name for table in part.tables if table.is_in_place]
    host_columns = await host_triggers.read_host_columns(snapshot, in_place)
    snapshot_id = await snapshot.fetchval("SELECT pg_export_snapshot()")

    async def compare(conn: Connection, table: DerivedTable) -> Comparison:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            await conn.execute(f"SET TRANSACTION SNAPSHOT '{snapshot_id}'")
            await conn.execute("SET LOCAL statement_timeout = 0")
            omitted = host_columns.get(table.name, frozenset())
            return await compare_table(conn, table, schema, host, omitted)

    return await run_for_tables(pool, part.tables, compare, "compare", progress)


async def compare_table(
    conn: Connection,
    table: DerivedTable,
    schema: str,
    host: HostRows,
    omitted: Collection[str] = (),
) -> Comparison:
    """Compare a live table with its shadow table, without the `omitted` columns.

    The caller's transaction must be one REPEATABLE READ snapshot. The checksum is a sum of row
    hashes, so it does not depend on the order of the rows.
    """
    columns = [column for column in table.columns if column not in omitted]
    row = ", ".join(f'"{column}"' for column in columns)
    summary = f"SELECT count(*), sum(hash_record_extended(ROW({row}), 0)) AS checksum FROM "
    sides = _ComparedSides.of(table, schema, host)
    (live,) = await conn.fetch(summary + sides.live, *sides.values, timeout=TIMEOUT_SECONDS)
    (new,) = await conn.fetch(summary + sides.new, *sides.values, timeout=TIMEOUT_SECONDS)
    is_equal = tuple(live) == tuple(new)
    differences = [] if is_equal else await _sample_differences(conn, table, sides, columns)
    return Comparison(table.name, live["count"], new["count"], is_equal, differences)


class _ComparedSides(NamedTuple):
    """Live and rebuilt rows as SQL: a table with its condition; `values` are the parameters."""

    live: str
    new: str
    values: tuple[Sequence[UUID], ...]

    @classmethod
    def of(cls, table: DerivedTable, schema: str, host: HostRows) -> Self:
        live, new = table.live_name, f"{schema}.{table.name}"
        if not (table.is_in_place and host.is_shared):
            return cls(live, new, ())
        condition = f'"{table.key}" <> ALL ($1::uuid[])'
        return cls(
            f"{live} WHERE org_id IS NOT NULL AND {condition}",
            f"{new} WHERE {condition}",
            (host.ahead,),
        )


async def _sample_differences(
    conn: Connection, table: DerivedTable, sides: _ComparedSides, compared: Sequence[str]
) -> list[RowDifference]:
    key = table.key
    columns = ", ".join(f'"{column}"' for column in compared)
    rows = await conn.fetch(
        f"SELECT coalesce(live.key, new.key)::text AS key, live.data AS live, new.data AS new "
        f"FROM (SELECT {key} AS key, to_jsonb(t) AS data FROM "
        f"      (SELECT {columns} FROM {sides.live}) AS t) AS live "
        f"FULL JOIN (SELECT {key} AS key, to_jsonb(t) AS data FROM "
        f"      (SELECT {columns} FROM {sides.new}) AS t) AS new USING (key) "
        f"WHERE live.data IS DISTINCT FROM new.data ORDER BY 1 LIMIT {MAX_DIFFERENCES}",
        *sides.values,
        timeout=TIMEOUT_SECONDS,
    )
    return [
        RowDifference(row["key"], find_different_columns(row["live"] or {}, row["new"] or {}))
        for row in rows
    ]
