"""Deletion of old rows that are no events: dead letters, outcomes of the intake, accounts of reads.

They are deleted from their tables. So are requests of operators, which belong to no organisation.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
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

REQUESTS = "operator_requests"
REQUEST_TIME = timedelta(days=90)
"""Time for which a request of an operator is kept after its end. Its action is kept for ever."""


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


async def expire_requests(pool: asyncpg.Pool, cutoff: datetime, *, dry_run: bool) -> int:
    """Delete the requests of operators that ended before `cutoff`; return how many there were.

    A request that waits or runs is never deleted. The actions, who asked for what and why, stay.
    """
    old = f"FROM crm.{REQUESTS} WHERE status IN ('done', 'failed') AND ended_at < $1"
    if dry_run:
        count: int = await pool.fetchval(f"SELECT count(*) {old}", cutoff)
        return count
    rows = await pool.fetch(
        f"DELETE FROM crm.{REQUESTS} WHERE id IN "
        f"(SELECT id {old} LIMIT {MAX_BATCHES * ROWS_PER_EVENT}) RETURNING id",
        cutoff,
    )
    return len(rows)
