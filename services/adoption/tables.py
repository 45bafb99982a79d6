"""The tables that are adopted from: how they stand, and why some of their rows cannot be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the tables. In SQL a row is `r`; `home` is its property, as `source` joins it."""

    table: str
    noun: str
    source: str
    home: str

    @property
    def why_not(self) -> str:
        return f"crm.why_not_{self.noun}(r)"

    @property
    def waiting(self) -> str:
        """Which rows are not facts yet."""
        return (
            "r.org_id IS NULL AND NOT EXISTS (SELECT FROM public.crm_events e "
            f"WHERE e.id = crm.adopted_id('{self.table}', r.id) AND e.event_type LIKE '%adopted')"
        )


KINDS = (
    Kind("leads", "lead", "public.leads r", "r.property_id"),
    Kind("conversations", "conversation", "public.conversations r", "r.property_id"),
    Kind(
        "messages",
        "message",
        "public.messages r LEFT JOIN public.conversations c ON c.id = r.conversation_id",
        "c.property_id",
    ),
)
"""What refers to another comes after it."""


@dataclass(slots=True)
class Found:
    """How one table stands. `left_out`: why rows cannot be adopted → how many, and some of them."""

    table: str
    rows: int
    adopted: int
    to_adopt: int
    left_out: dict[str, tuple[int, list[UUID]]] = field(default_factory=dict)


async def look(pool: asyncpg.Pool) -> list[Found]:
    """How the tables stand, without changing anything."""
    found = []
    async with pool.acquire() as conn:
        for kind in KINDS:
            rows = await conn.fetchval(f"SELECT count(*) FROM public.{kind.table}")
            reasons = await conn.fetch(
                f"SELECT why, count(*) AS number, (array_agg(id ORDER BY id))[1:{SHOWN}] AS some "
                f"FROM (SELECT r.id, {kind.why_not} AS why FROM public.{kind.table} r "
                f"      WHERE {kind.waiting}) AS waiting GROUP BY why ORDER BY why"
            )
            waiting = sum(row["number"] for row in reasons)
            ready = sum(row["number"] for row in reasons if row["why"] is None)
            left_out = {
                row["why"]: (row["number"], row["some"])
                for row in reasons
                if row["why"] is not None
            }
            found.append(Found(kind.table, rows, rows - waiting, ready, left_out))
    return found


async def left_out(pool: asyncpg.Pool) -> AsyncIterator[dict[str, Any]]:
    """Every row that cannot be adopted: {table, id, why}."""
    for kind in KINDS:
        async with pool.acquire() as conn, conn.transaction():
            async for row in conn.cursor(
                f"SELECT r.id, {kind.why_not} AS why FROM public.{kind.table} r "
                f"WHERE {kind.waiting} AND {kind.why_not} IS NOT NULL ORDER BY r.id"
            ):
                yield {"table": kind.table, "id": row["id"], "why": row["why"]}
