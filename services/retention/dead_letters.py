"""Deletion of old dead letters and outcomes of the intake.

They are not events, so they are deleted from their tables.
"""

from datetime import datetime
from uuid import UUID

import asyncpg

from services.retention.retention_events import MAX_BATCHES, ROWS_PER_EVENT

INSTANT_OF = {"dead_letters": "last_at", "intake_outcomes": "decided_at"}
"""Table in schema `crm` → the column with the instant from which its retention counts."""


async def expire(
    pool: asyncpg.Pool, table: str, org_id: UUID | None, cutoff: datetime, *, dry_run: bool
) -> int:
    """Delete rows of a table that are older than `cutoff`; return how many there were.

    Their status does not matter. Without `org_id`, those are deleted that belong to no
    organisation.
    """
    old = f"FROM crm.{table} WHERE org_id IS NOT DISTINCT FROM $1 AND {INSTANT_OF[table]} < $2"
    if dry_run:
        count: int = await pool.fetchval(f"SELECT count(*) {old}", org_id, cutoff)
        return count
    deleted = 0
    for _ in range(MAX_BATCHES):
        rows = await pool.fetch(
            f"DELETE FROM crm.{table} WHERE id IN (SELECT id {old} LIMIT {ROWS_PER_EVENT}) "
            "RETURNING id",
            org_id,
            cutoff,
        )
        deleted += len(rows)
        if len(rows) < ROWS_PER_EVENT:
            break
    return deleted
