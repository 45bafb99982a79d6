"""Deletion of old dead letters. They are not events, so they are deleted from their table."""

from datetime import datetime
from uuid import UUID

import asyncpg

from services.retention.retention_events import MAX_BATCHES, ROWS_PER_EVENT


async def expire(
    pool: asyncpg.Pool, org_id: UUID | None, cutoff: datetime, *, dry_run: bool
) -> int:
    """Delete dead letters whose last attempt was before `cutoff`; return how many there were.

    The status of a dead letter does not matter. Without `org_id`, those are deleted that belong to
    no organisation.
    """
    old = "FROM crm.dead_letters WHERE org_id IS NOT DISTINCT FROM $1 AND last_at < $2"
    if dry_run:
        count: int = await pool.fetchval(f"SELECT count(*) {old}", org_id, cutoff)
        return count
    deleted = 0
    for _ in range(MAX_BATCHES):
        rows = await pool.fetch(
            f"DELETE FROM crm.dead_letters WHERE id IN (SELECT id {old} LIMIT {ROWS_PER_EVENT}) "
            "RETURNING id",
            org_id,
            cutoff,
        )
        deleted += len(rows)
        if len(rows) < ROWS_PER_EVENT:
            break
    return deleted
