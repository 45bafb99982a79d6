"""Rows that expire by their own age: engagement, and evidence of consents no longer in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from events.operations import Retained
from services.retention import retention_events
from services.retention.retention_events import MAX_BATCHES, append_retention


@dataclass(frozen=True, slots=True)
class ExpiringRows:
    """A kind of rows that expire.

    `source` selects those of organisation $1 that are older than $2; `field` is the event's field
    for their ids.
    """

    kind: Retained
    field: str
    source: str


ENGAGEMENT = ExpiringRows(
    Retained.ENGAGEMENT,
    "engagement_ids",
    "FROM lead_engagement_events WHERE org_id = $1 AND created_at < $2",
)
"""Engagement: the shortest possible time is longer than any score looks back."""

CONSENTS = ExpiringRows(
    Retained.CONSENT_EVIDENCE,
    "consent_ids",
    "FROM lead_consents c WHERE org_id = $1 AND created_at < $2 AND EXISTS ("
    "SELECT FROM lead_consents later WHERE later.lead_id = c.lead_id "
    "AND later.channel = c.channel AND later.version > c.version AND later.created_at < $2)",
)
"""Consents: the one in force is kept at any age; its time begins when a later one replaces it."""


async def expire(
    pool: asyncpg.Pool,
    expiring: ExpiringRows,
    org_id: UUID,
    cutoff: datetime,
    today: datetime,
    *,
    dry_run: bool,
) -> int:
    """Append events that name the expired rows, in bounded batches; return how many rows."""
    if dry_run:
        count: int = await pool.fetchval(f"SELECT count(*) {expiring.source}", org_id, cutoff)
        return count
    removed, after = 0, (UUID(int=0), UUID(int=0))
    for _ in range(MAX_BATCHES):
        page = await pool.fetch(
            f"SELECT id, property_id {expiring.source} AND (property_id, id) > ($3, $4) "
            f"ORDER BY property_id, id LIMIT {retention_events.ROWS_PER_EVENT}",
            org_id,
            cutoff,
            *after,
        )
        if not page or not await _append(pool, expiring, org_id, page, cutoff, today):
            break
        after = (page[-1]["property_id"], page[-1]["id"])
        removed += len(page)
    return removed


async def _append(
    pool: asyncpg.Pool,
    expiring: ExpiringRows,
    org_id: UUID,
    rows: Sequence[asyncpg.Record],
    cutoff: datetime,
    today: datetime,
) -> bool:
    """Append one event for each property of these rows; return False if another run is active."""
    ids_by_property: dict[UUID, list[UUID]] = {}
    for row in rows:
        ids_by_property.setdefault(row["property_id"], []).append(row["id"])
    async with pool.acquire() as conn, conn.transaction():
        if not await retention_events.lock_run(conn):
            return False
        for property_id, ids in ids_by_property.items():
            await append_retention(
                conn, org_id, property_id, expiring.kind, cutoff, today, **{expiring.field: ids}
            )
    return True
