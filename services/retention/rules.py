"""How long each organisation keeps what it keeps for a limited time only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

LONGEST_DAYS = 36_500
LEAST_DAYS = {"engagement_days": 31}
"""Engagement counts in a score for 30 days, and its rows tell why."""
DEFAULT_DAYS = {
    "sessions_days": 90,
    "engagement_days": 730,
    "consents_days": 1_461,
    "dead_letters_days": 30,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Days each kind is kept, of one organisation: `settings.retention` where it says so."""

    org_id: UUID
    sessions_days: int
    engagement_days: int
    consents_days: int
    dead_letters_days: int

    @classmethod
    def of(cls, org_id: UUID, settings: Any) -> "Rules":
        said = settings.get("retention") if isinstance(settings, Mapping) else None
        days = {
            name: _days(
                said.get(name) if isinstance(said, Mapping) else None,
                default,
                LEAST_DAYS.get(name, 1),
            )
            for name, default in DEFAULT_DAYS.items()
        }
        return cls(org_id, **days)


def _days(said: Any, default: int, least: int) -> int:
    whole = isinstance(said, int) and not isinstance(said, bool)
    return said if whole and least <= said <= LONGEST_DAYS else default


async def rules(pool: asyncpg.Pool, org_id: UUID | None = None) -> list[Rules]:
    """Every organisation's, or one's."""
    rows = await pool.fetch(
        "SELECT id, settings FROM organizations WHERE $1::uuid IS NULL OR id = $1 ORDER BY id",
        org_id,
    )
    return [Rules.of(row["id"], row["settings"]) for row in rows]
