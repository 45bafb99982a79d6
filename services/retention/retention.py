"""Retention: what an organisation keeps for a limited time is named in a fact, and then is gone.

A run says `retention.applied` for each batch of rows past their time; the projectors remove exactly
those. Dead letters are no facts and are deleted at once. The log itself is kept.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from services.retention import dead_letters, rows, sessions
from services.retention.rules import DEFAULT_DAYS, Rules, rules
from services.runtime import metrics

KINDS = ("engagement", "consents", "sessions", "dead_letters")


async def run(
    pool: asyncpg.Pool, now: datetime, *, org_id: UUID | None = None, dry_run: bool = False
) -> Counter[str]:
    """Apply every organisation's rules, or one's; kind → rows that are gone, or would be.

    Two runs at once do nothing twice: the second finds the lock taken and ends.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    done: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    all_rules = await rules(pool, org_id)
    due = await _due(pool, all_rules, today)
    for rule in all_rules:
        org = rule.org_id
        if org in due:
            for kind, what, days in (
                ("engagement", rows.ENGAGEMENT, rule.engagement_days),
                ("consents", rows.CONSENTS, rule.consents_days),
            ):
                cutoff = today - timedelta(days=days)
                done[kind] += await rows.expire(pool, what, org, cutoff, today, dry_run=dry_run)
            cutoff = today - timedelta(days=rule.sessions_days)
            done["sessions"] += await sessions.expire(pool, org, cutoff, today, dry_run=dry_run)
        cutoff = today - timedelta(days=rule.dead_letters_days)
        done["dead_letters"] += await dead_letters.expire(pool, org, cutoff, dry_run=dry_run)
        await asyncio.sleep(0)
    if org_id is None:  # letters that could not be told whose they are
        cutoff = today - timedelta(days=DEFAULT_DAYS["dead_letters_days"])
        done["dead_letters"] += await dead_letters.expire(pool, None, cutoff, dry_run=dry_run)
    if not dry_run:
        for kind, count in done.items():
            metrics.RETIRED.labels(kind).inc(count)
    return done


async def _due(pool: asyncpg.Pool, all_rules: Sequence[Rules], today: datetime) -> set[UUID]:
    """Which organisations may have something to remove: the tables are looked through once."""
    if not all_rules:
        return set()
    found = await pool.fetch(
        "SELECT org_id FROM lead_engagement_events WHERE created_at < $1 UNION "
        "SELECT org_id FROM lead_consents WHERE created_at < $2 UNION "
        "SELECT org_id FROM widget_sessions WHERE lead_id IS NULL AND last_activity_at < $3",
        today - timedelta(days=min(rule.engagement_days for rule in all_rules)),
        today - timedelta(days=min(rule.consents_days for rule in all_rules)),
        today - timedelta(days=min(rule.sessions_days for rule in all_rules)),
    )
    return {row["org_id"] for row in found}
