"""Dead letters: what the door refused, kept until somebody drives it in again or drops it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from services.intake.outcome import Fate, Item, Outcome
from services.intake.producer_record import label_of
from services.intake.raw_record import COLUMNS, storable

_KEPT = ", ".join(COLUMNS)


async def keep(conn: Connection, items: Sequence[Item]) -> None:
    """Write down refused records. One that is refused again counts another attempt; one that was
    driven in again is open again; one that somebody dropped stays dropped."""
    await conn.executemany(
        f"""
        INSERT INTO crm.dead_letters AS held (id, {_KEPT}, ce_source, ce_id, event_type, event_id,
          org_id, property_id, reason, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        ON CONFLICT (id) DO UPDATE SET attempts = held.attempts + 1, last_at = clock_timestamp(),
          reason = excluded.reason, detail = excluded.detail, event_id = excluded.event_id,
          org_id = excluded.org_id, property_id = excluded.property_id, copied_at = NULL,
          status = CASE held.status WHEN 'redriven' THEN 'open' ELSE held.status END
        """,
        [_row(item) for item in items],
    )


def _row(item: Item) -> tuple[Any, ...]:
    label, outcome = label_of(item.record), item.outcome
    if outcome is None:
        raise RuntimeError(f"record {item.record.id} has no outcome yet")
    return (
        item.record.id,
        *item.record.columns(),
        *(None if said is None else storable(said, 300)
          for said in (label.source, label.ce_id, label.event_type)),
        outcome.event_id,
        outcome.org_id,
        outcome.property_id or label.property_id,
        outcome.reason,
        storable(outcome.detail),
    )  # fmt: skip


async def recall(conn: Connection, items: Sequence[Item]) -> None:
    """End the items whose records are letters already, as they did. One that was driven in again
    is no letter any more."""
    rows = await conn.fetch(
        "SELECT id, event_id, org_id, property_id, reason, detail FROM crm.dead_letters "
        "WHERE id = ANY($1::uuid[]) AND status <> 'redriven'",
        [item.record.id for item in items],
    )
    said = {row["id"]: row for row in rows}
    for item in items:
        if row := said.get(item.record.id):
            item.outcome = Outcome(
                Fate.DEAD, row["event_id"], row["org_id"], row["property_id"],
                reason=row["reason"], detail=row["detail"],
            )  # fmt: skip


async def mark(conn: Connection, ids: Sequence[UUID], status: str) -> None:
    await conn.execute(
        "UPDATE crm.dead_letters SET status = $2, last_at = clock_timestamp() "
        "WHERE id = ANY($1::uuid[])",
        list(ids),
        status,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: all that is said must hold, what is not said restricts nothing."""

    ids: Sequence[UUID] = ()
    status: str | None = "open"
    reason: str | None = None
    property_id: UUID | None = None
    event_type: str | None = None
    source: str | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        """Those of `_WANTED`."""
        return (
            list(self.ids), self.status, self.reason, self.property_id, self.event_type,
            self.source,
        )  # fmt: skip


_WANTED = """
FROM crm.dead_letters
WHERE (cardinality($1::uuid[]) = 0 OR id = ANY($1)) AND ($2::text IS NULL OR status = $2)
  AND ($3::text IS NULL OR reason = $3) AND ($4::uuid IS NULL OR property_id = $4)
  AND ($5::text IS NULL OR event_type = $5) AND ($6::text IS NULL OR ce_source = $6)
"""
_PLACE = ("first_at", "topic", "partition", "kafka_offset", "id")
_ORDER = ", ".join(_PLACE)


async def find(conn: Connection, wanted: Wanted, limit: int) -> list[asyncpg.Record]:
    """Dead letters, oldest first: what came first is driven in first."""
    return await conn.fetch(
        f"SELECT * {_WANTED} ORDER BY {_ORDER} LIMIT $7", *wanted.arguments, limit
    )


async def pages(
    pool: asyncpg.Pool, wanted: Wanted, letters_at_a_time: int
) -> AsyncIterator[list[asyncpg.Record]]:
    """All of them that there are now, oldest first, whatever is done with them on the way."""
    until = await pool.fetchval("SELECT clock_timestamp()")
    rows = await pool.fetch(
        f"SELECT * {_WANTED} AND first_at <= $8 ORDER BY {_ORDER} LIMIT $7",
        *wanted.arguments,
        letters_at_a_time,
        until,
    )
    while rows:
        yield rows
        rows = await pool.fetch(
            f"SELECT * {_WANTED} AND first_at <= $8 AND ({_ORDER}) > ($9, $10, $11, $12, $13) "
            f"ORDER BY {_ORDER} LIMIT $7",
            *wanted.arguments,
            letters_at_a_time,
            until,
            *(rows[-1][name] for name in _PLACE),
        )


async def count(conn: Connection, wanted: Wanted) -> int:
    found: int = await conn.fetchval(f"SELECT count(*) {_WANTED}", *wanted.arguments)
    return found


async def open_counts(conn: Connection) -> list[asyncpg.Record]:
    """How many are open: org_id, property_id, reason, count."""
    return await conn.fetch(
        "SELECT org_id, property_id, reason, count(*) AS count FROM crm.dead_letters "
        "WHERE status = 'open' GROUP BY 1, 2, 3"
    )
