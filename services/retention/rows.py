"""Rows that go by their own age: engagement, and evidence of consents no longer in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from events.operations import Retained
from services.retention import naming
from services.retention.naming import BATCHES_AT_MOST, name_gone


@dataclass(frozen=True, slots=True)
class Expiring:
    """Rows of an organisation ($1) older than an instant ($2), and the fact's field for them."""

    kind: Retained
    field: str
    old: str


ENGAGEMENT = Expiring(
    Retained.ENGAGEMENT,
    "engagement_ids",
    "FROM lead_engagement_events WHERE org_id = $1 AND created_at < $2",
)
"""No score counts anything that old."""

CONSENTS = Expiring(
    Retained.CONSENT_EVIDENCE,
    "consent_ids",
    "FROM lead_consents c WHERE org_id = $1 AND created_at < $2 AND EXISTS ("
    "SELECT FROM lead_consents later WHERE later.lead_id = c.lead_id "
    "AND later.channel = c.channel AND later.version > c.version AND later.created_at < $2)",
)
"""What is in force is kept however old it is: its time begins when something else is said."""


async def expire(
    pool: asyncpg.Pool,
    what: Expiring,
    org_id: UUID,
    cutoff: datetime,
    today: datetime,
    *,
    dry_run: bool,
) -> int:
    """Name the rows in facts, in bounded batches; how many they are."""
    if dry_run:
        found: int = await pool.fetchval(f"SELECT count(*) {what.old}", org_id, cutoff)
        return found
    gone = 0
    async with pool.acquire() as reading, reading.transaction():
        rows = await reading.cursor(
            f"SELECT id, property_id {what.old} ORDER BY property_id, id", org_id, cutoff
        )
        for _ in range(BATCHES_AT_MOST):
            page = await rows.fetch(naming.ROWS_AT_A_TIME)
            if not page or not await _name(pool, what, org_id, page, cutoff, today):
                break
            gone += len(page)
    return gone


async def _name(
    pool: asyncpg.Pool,
    what: Expiring,
    org_id: UUID,
    rows: Sequence[asyncpg.Record],
    cutoff: datetime,
    today: datetime,
) -> bool:
    """Say that these rows are gone; False where another run is at it."""
    homes: dict[UUID, list[UUID]] = {}
    for row in rows:
        homes.setdefault(row["property_id"], []).append(row["id"])
    async with pool.acquire() as conn, conn.transaction():
        if not await naming.alone(conn):
            return False
        for home, ids in homes.items():
            await name_gone(conn, org_id, home, what.kind, cutoff, today, **{what.field: ids})
    return True
