"""Retention periods in days, for each organisation and each kind of rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

MAX_DAYS = 36_500
MIN_DAYS = {"engagement_days": 31, "reads_days": 366}
"""Engagement counts in a score for 30 days, and its rows explain the score.

Accounts of reads are evidence: the database refuses to delete them in their first year.
"""
DEFAULT_DAYS = {
    "sessions_days": 90,
    "engagement_days": 730,
    "consents_days": 1_461,
    "dead_letters_days": 30,
    "reads_days": 1_096,
}


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The days that one organisation keeps each kind, from `retention` in its settings."""

    org_id: UUID
    sessions_days: int
    engagement_days: int
    consents_days: int
    dead_letters_days: int
    reads_days: int

    @classmethod
    def of(cls, org_id: UUID, settings: Any) -> "RetentionRules":
        """Read the rules from an organisation's settings; a bad value becomes the default."""
        configured = settings.get("retention") if isinstance(settings, Mapping) else None
        if not isinstance(configured, Mapping):
            configured = {}
        days = {
            name: _days(configured.get(name), default, MIN_DAYS.get(name, 1))
            for name, default in DEFAULT_DAYS.items()
        }
        return cls(org_id, **days)


def _days(value: Any, default: int, minimum: int) -> int:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and minimum <= value <= MAX_DAYS else default


async def load_rules(pool: asyncpg.Pool, org_id: UUID | None = None) -> list[RetentionRules]:
    """Return the rules of every organisation, or of one."""
    rows = await pool.fetch(
        "SELECT id, settings FROM organizations WHERE $1::uuid IS NULL OR id = $1 ORDER BY id",
        org_id,
    )
    return [RetentionRules.of(row["id"], row["settings"]) for row in rows]
