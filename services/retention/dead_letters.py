"""Dead letters whose last attempt is long ago: they are no facts, and are deleted."""

from datetime import datetime
from uuid import UUID

import asyncpg

from services.retention.naming import BATCHES_AT_MOST, ROWS_AT_A_TIME


async def expire(
    pool: asyncpg.Pool, org_id: UUID | None, cutoff: datetime, *, dry_run: bool
) -> int:
    """Delete an organisation's, or those of none, whatever became of them; how many they are."""
    old = "FROM crm.dead_letters WHERE org_id IS NOT DISTINCT FROM $1 AND last_at < $2"
    if dry_run:
        found: int = await pool.fetchval(f"SELECT count(*) {old}", org_id, cutoff)
        return found
    gone = 0
    for _ in range(BATCHES_AT_MOST):
        rows = await pool.fetch(
            f"DELETE FROM crm.dead_letters WHERE id IN (SELECT id {old} LIMIT {ROWS_AT_A_TIME}) "
            "RETURNING id",
            org_id,
            cutoff,
        )
        gone += len(rows)
        if len(rows) < ROWS_AT_A_TIME:
            break
    return gone
