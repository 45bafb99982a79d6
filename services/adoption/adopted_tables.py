"""The host tables that are adopted: how many rows are adopted, and why some cannot be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from events.log.connection import Connection

SHOWN_KEYS = 5
PAGE_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class AdoptedTable:
    """One of the tables, with SQL in which a row is `r`."""

    table: str
    noun: str

    @property
    def reason(self) -> str:
        """SQL: why a row cannot be adopted, null if it can."""
        return f"crm.why_not_{self.noun}(r)"

    @property
    def is_waiting(self) -> str:
        """SQL condition: no event tells of the row yet."""
        return (
            "r.org_id IS NULL AND NOT EXISTS (SELECT FROM public.crm_events e "
            f"WHERE e.id = crm.adopted_id('{self.table}', r.id) AND e.event_type LIKE '%adopted') "
            "AND NOT EXISTS (SELECT FROM crm.staged_changes c "
            f"WHERE c.id = crm.adopted_id('{self.table}', r.id))"
        )


ADOPTED_TABLES = (
    AdoptedTable("leads", "lead"),
    AdoptedTable("conversations", "conversation"),
    AdoptedTable("messages", "message"),
)
"""In the order of adoption: a table comes after the tables that it refers to."""


@dataclass(slots=True)
class AdoptionCounts:
    """The numbers of one table's rows. `left_out`: reason → number of rows, and some keys."""

    table: str
    rows: int
    adopted: int
    to_adopt: int
    left_out: dict[str, tuple[int, list[UUID]]] = field(default_factory=dict)


async def count_rows(pool: asyncpg.Pool) -> list[AdoptionCounts]:
    """Count the rows of each table; nothing is changed."""
    async with pool.acquire() as conn:
        return [await _count_table(conn, table) for table in ADOPTED_TABLES]


async def _count_table(conn: Connection, table: AdoptedTable) -> AdoptionCounts:
    rows = await conn.fetchval(f"SELECT count(*) FROM public.{table.table}")
    reasons = await conn.fetch(
        f"SELECT why, count(*) AS number, (array_agg(id ORDER BY id))[1:{SHOWN_KEYS}] AS some "
        f"FROM (SELECT r.id, {table.reason} AS why FROM public.{table.table} r "
        f"      WHERE {table.is_waiting}) AS waiting GROUP BY why ORDER BY why"
    )
    waiting = sum(row["number"] for row in reasons)
    to_adopt = sum(row["number"] for row in reasons if row["why"] is None)
    left_out = {
        row["why"]: (row["number"], row["some"]) for row in reasons if row["why"] is not None
    }
    return AdoptionCounts(table.table, rows, rows - waiting, to_adopt, left_out)


async def find_left_out(pool: asyncpg.Pool) -> AsyncIterator[dict[str, Any]]:
    """Yield every row that cannot be adopted: {table, id, why}."""
    for table in ADOPTED_TABLES:
        after = UUID(int=0)
        while rows := await pool.fetch(
            f"SELECT r.id, {table.reason} AS why FROM public.{table.table} r WHERE r.id > $1 "
            f"AND {table.is_waiting} AND {table.reason} IS NOT NULL "
            f"ORDER BY r.id LIMIT {PAGE_ROWS}",
            after,
        ):
            for row in rows:
                yield {"table": table.table, "id": row["id"], "why": row["why"]}
            after = rows[-1]["id"]
