"""Retention: remove the rows that an organisation keeps for a limited time.

A run appends `retention.applied` for each batch of expired rows; the projectors remove exactly the
rows that the event names. Dead letters and other rows that are no events are deleted at once. The
event log itself is kept.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from services.retention import kept_rows, rows, sessions
from services.retention.rules import DEFAULT_DAYS, RetentionRules, load_rules
from services.runtime import metrics

KINDS = ("engagement", "consents", "sessions", *kept_rows.TABLES, kept_rows.REQUESTS)


async def apply_rules(
    pool: asyncpg.Pool, now: datetime, *, org_id: UUID | None = None, dry_run: bool = False
) -> Counter[str]:
    """Apply the rules of every organisation, or of one; return the number of rows by kind.

    With `dry_run` the rows are only counted. A second run at the same time finds the lock taken and
    removes nothing.
    """
    # Cut-offs are midnights: runs of one day select the same rows and derive the same event ids.
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    removed: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    all_rules = await load_rules(pool, org_id)
    due = await _find_due(pool, all_rules, today)
    for rules in all_rules:
        if rules.org_id in due:
            removed += await _expire_events(pool, rules, today, dry_run=dry_run)
        days = {
            "dead_letters_days": rules.dead_letters_days, "reads_days": rules.reads_days,
        }  # fmt: skip
        removed += await _expire_kept(pool, rules.org_id, today, days, dry_run=dry_run)
        await asyncio.sleep(0)
    if org_id is None:  # records whose organisation is unknown have no rules of their own
        removed += await _expire_kept(pool, None, today, DEFAULT_DAYS, dry_run=dry_run)
        removed[kept_rows.REQUESTS] += await kept_rows.expire_requests(
            pool, today - kept_rows.REQUEST_TIME, dry_run=dry_run
        )
    if not dry_run:
        for kind, count in removed.items():
            metrics.RETIRED.labels(kind).inc(count)
    return Counter({kind: removed[kind] for kind in KINDS})


async def _expire_kept(
    pool: asyncpg.Pool,
    org_id: UUID | None,
    today: datetime,
    days: Mapping[str, int],
    *,
    dry_run: bool,
) -> Counter[str]:
    """Remove old rows that are no events; `days` by the name of the rule."""
    removed: Counter[str] = Counter()
    for table, kept in kept_rows.TABLES.items():
        cutoff = today - timedelta(days=days[kept.rule])
        removed[table] = await kept_rows.expire(pool, table, org_id, cutoff, dry_run=dry_run)
    return removed


async def _expire_events(
    pool: asyncpg.Pool, rules: RetentionRules, today: datetime, *, dry_run: bool
) -> Counter[str]:
    """Remove one organisation's rows of all kinds that events name."""
    org_id = rules.org_id
    removed: Counter[str] = Counter()
    for kind, expiring, days in (
        ("engagement", rows.ENGAGEMENT, rules.engagement_days),
        ("consents", rows.CONSENTS, rules.consents_days),
    ):
        cutoff = today - timedelta(days=days)
        removed[kind] += await rows.expire(pool, expiring, org_id, cutoff, today, dry_run=dry_run)
    cutoff = today - timedelta(days=rules.sessions_days)
    removed["sessions"] += await sessions.expire(pool, org_id, cutoff, today, dry_run=dry_run)
    return removed


async def _find_due(
    pool: asyncpg.Pool, all_rules: Sequence[RetentionRules], today: datetime
) -> set[UUID]:
    """Return the organisations that may have expired rows; reads each table only once."""
    if not all_rules:
        return set()
    rows = await pool.fetch(
        "SELECT org_id FROM lead_engagement_events WHERE created_at < $1 UNION "
        "SELECT org_id FROM lead_consents WHERE created_at < $2 UNION "
        "SELECT org_id FROM widget_sessions WHERE lead_id IS NULL AND last_activity_at < $3",
        today - timedelta(days=min(rules.engagement_days for rules in all_rules)),
        today - timedelta(days=min(rules.consents_days for rules in all_rules)),
        today - timedelta(days=min(rules.sessions_days for rules in all_rules)),
    )
    return {row["org_id"] for row in rows}
