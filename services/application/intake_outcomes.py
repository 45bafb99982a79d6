"""The outcomes of intake records: what became of each record that a producer sent.

An outcome contains ids and codes only, no personal field. The table is authoritative, the topic of
outcomes is a copy of it.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from events.log.connection import Connection

NAMES = {"kafka_offset": "offset", "ce_source": "source", "ce_id": "id", "event_type": "type"}
"""Column → the name that producers see, where they differ."""
COLUMNS = (
    "status", "duplicate", "reason", "ce_source", "ce_id", "event_type", "event_id", "org_id",
    "property_id", "lead_id", "topic", "partition", "kafka_offset", "decided_at",
)  # fmt: skip
"""The columns that producers see."""


@dataclass(frozen=True, slots=True)
class OutcomeFilter:
    """A filter of outcomes. All given conditions must hold."""

    org_id: UUID | None = None
    property_id: UUID | None = None
    source: str | None = None
    ce_id: str | None = None
    status: str | None = None


async def find_outcomes(
    database: "asyncpg.Pool | Connection", chosen: OutcomeFilter, limit: int
) -> list[dict[str, Any]]:
    """Return outcomes as producers see them, newest first."""
    rows = await database.fetch(
        "SELECT * FROM crm.intake_outcomes WHERE ($1::uuid IS NULL OR org_id = $1) "
        "AND ($2::uuid IS NULL OR property_id = $2) AND ($3::text IS NULL OR ce_source = $3) "
        "AND ($4::text IS NULL OR ce_id = $4) AND ($5::text IS NULL OR status = $5) "
        "ORDER BY decided_at DESC, id LIMIT $6",
        chosen.org_id,
        chosen.property_id,
        chosen.source,
        chosen.ce_id,
        chosen.status,
        limit,
    )
    return [describe_outcome(row) for row in rows]


def describe_outcome(row: asyncpg.Record) -> dict[str, Any]:
    """Return an outcome under the names that producers see."""
    return {NAMES.get(name, name): row[name] for name in COLUMNS}
