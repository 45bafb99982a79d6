"""Deletion of old rows that are no events: dead letters, outcomes of the intake, accounts of reads.

They are deleted from their tables.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.retention.retention_events import MAX_BATCHES, ROWS_PER_EVENT


class KeptTable(NamedTuple):
    """The column with the instant from which the retention counts, and the rule with its days."""

    instant: str
    rule: str


TABLES: Mapping[str, KeptTable] = {
    "dead_letters": KeptTable("last_at", "dead_letters_days"),
    "intake_outcomes": KeptTable("decided_at", "dead_letters_days"),
    "payload_reads": KeptTable("read_at", "reads_days"),
}
"""Tables in schema `crm`."""


async def expire(
    pool: asyncpg.Pool, table: str, org_id: UUID | None, cutoff: datetime, *, dry_run: bool
) -> int:
    """Delete rows of a table that are older than `cutoff`; return how many there were.

    Their status does not matter. Without `org_id`, those are deleted that belong to no
    organisation.
    """
    old = f"FROM crm.{table} WHERE org_id IS NOT DISTINCT FROM $1 AND {TABLES[table].instant} < $2"
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
