"""Retention: what an organisation keeps for a limited time is named in a fact, and then is gone.

A run says `retention.applied` for each batch of rows past their time; the projectors remove exactly
those. Dead letters are no facts and are deleted at once. The log itself is kept.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import asyncpg

from events.log.append import append, lock_streams
from events.log.connection import Connection
from events.operations import Retained, RetentionApplied
from events.record import Cause, NewEvent, Stream
from services.retaining.rules import DEFAULT_DAYS, Rules, rules
from services.runtime import metrics

SESSIONS_AT_A_TIME = 50
ROWS_AT_A_TIME = 1_000
"""As many as one fact may name of a kind."""
BATCHES_AT_MOST = 10_000
CAUSE = Cause(actor="retention")


async def run(
    pool: asyncpg.Pool, now: datetime, *, org_id: UUID | None = None, dry_run: bool = False
) -> Counter[str]:
    """Apply every organisation's rules, or one's; kind → rows that are gone, or would be.

    Two runs at once do nothing twice: the second finds the lock taken and ends.
    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    done: Counter[str] = Counter()
    all_rules = await rules(pool, org_id)
    due = await _due(pool, all_rules, today)
    for rule in all_rules:
        for kind, apply in (("engagement", _engagement), ("sessions", _sessions)):
            done[kind] += await apply(pool, rule, today, dry_run) if rule.org_id in due else 0
        done["dead_letters"] += await _dead_letters(
            pool, rule.org_id, today - timedelta(days=rule.dead_letters_days), dry_run
        )
        await asyncio.sleep(0)
    if org_id is None:  # letters that could not be told whose they are
        cutoff = today - timedelta(days=DEFAULT_DAYS["dead_letters_days"])
        done["dead_letters"] += await _dead_letters(pool, None, cutoff, dry_run)
    if not dry_run:
        for kind, count in done.items():
            metrics.RETIRED.labels(kind).inc(count)
    return done


async def _due(pool: asyncpg.Pool, all_rules: Sequence[Rules], today: datetime) -> set[UUID]:
    """Which organisations may have something to remove: the tables are looked through once."""
    if not all_rules:
        return set()
    rows = await pool.fetch(
        "SELECT org_id FROM lead_engagement_events WHERE created_at < $1 UNION "
        "SELECT org_id FROM widget_sessions WHERE lead_id IS NULL AND last_activity_at < $2",
        today - timedelta(days=min(rule.engagement_days for rule in all_rules)),
        today - timedelta(days=min(rule.sessions_days for rule in all_rules)),
    )
    return {row["org_id"] for row in rows}


async def _engagement(pool: asyncpg.Pool, rule: Rules, today: datetime, dry_run: bool) -> int:
    """Rows older than the rule says; no score counts anything that old."""
    cutoff = today - timedelta(days=rule.engagement_days)
    old = "FROM lead_engagement_events WHERE org_id = $1 AND created_at < $2"
    if dry_run:
        found: int = await pool.fetchval(f"SELECT count(*) {old}", rule.org_id, cutoff)
        return found
    gone = 0
    async with pool.acquire() as reading, reading.transaction():
        rows = await reading.cursor(
            f"SELECT id, property_id {old} ORDER BY property_id, id", rule.org_id, cutoff
        )
        for _ in range(BATCHES_AT_MOST):
            page = await rows.fetch(ROWS_AT_A_TIME)
            if not page or not await _expire(pool, rule.org_id, page, cutoff, today):
                break
            gone += len(page)
    return gone


async def _expire(
    pool: asyncpg.Pool,
    org_id: UUID,
    rows: Sequence[asyncpg.Record],
    cutoff: datetime,
    today: datetime,
) -> bool:
    """Say that these engagement rows are gone; False where another run is at it."""
    homes: dict[UUID, list[UUID]] = {}
    for row in rows:
        homes.setdefault(row["property_id"], []).append(row["id"])
    async with pool.acquire() as conn, conn.transaction():
        if not await _alone(conn):
            return False
        for home, ids in homes.items():
            said = _said(Retained.ENGAGEMENT, home, cutoff, engagement_ids=ids)
            await _say(conn, org_id, home, said, today)
    return True


SESSIONS = """
FROM widget_sessions s WHERE s.org_id = $1 AND s.lead_id IS NULL AND s.last_activity_at < $2
  AND NOT EXISTS (SELECT FROM conversations c WHERE c.widget_session_id = s.id
                  AND c.lead_id IS NOT NULL)
"""


async def _sessions(pool: asyncpg.Pool, rule: Rules, today: datetime, dry_run: bool) -> int:
    """Sessions without a lead in which nothing was said since, with all that was said in them."""
    cutoff = today - timedelta(days=rule.sessions_days)
    if dry_run:
        found: int = await pool.fetchval(f"SELECT count(*) {SESSIONS}", rule.org_id, cutoff)
        return found
    after, gone = UUID(int=0), 0
    for _ in range(BATCHES_AT_MOST):
        async with pool.acquire() as conn, conn.transaction():
            if not await _alone(conn):
                break
            rows = await conn.fetch(
                f"SELECT s.id, s.property_id {SESSIONS} AND s.id > $3 "
                f"ORDER BY s.id LIMIT {SESSIONS_AT_A_TIME}",
                rule.org_id,
                cutoff,
                after,
            )
            if not rows:
                break
            for row in rows:
                gone += await _session(conn, rule.org_id, row, cutoff, today)
        after = rows[-1]["id"]
    return gone


async def _session(
    conn: Connection, org_id: UUID, session: asyncpg.Record, cutoff: datetime, today: datetime
) -> int:
    """Say that a session is gone; 0 where the log knows better than the tables."""
    key, home = session["id"], session["property_id"]
    rows = await conn.fetch("SELECT id FROM conversations WHERE widget_session_id = $1", key)
    talks = [row["id"] for row in rows]
    await lock_streams(
        conn, [Stream("session", key), *(Stream("conversation", talk) for talk in talks)]
    )
    if await conn.fetchval(
        "SELECT EXISTS (SELECT FROM public.crm_events WHERE (entity_type, entity_id) IN "
        "(SELECT * FROM unnest($1::text[], $2::uuid[])) AND (occurred_at >= $3 "
        "OR lead_id IS NOT NULL))",
        ["session", *("conversation" for _ in talks)],
        [key, *talks],
        cutoff,
    ):
        return 0
    said = await conn.fetch(
        "SELECT id FROM messages WHERE conversation_id = ANY($1::uuid[]) ORDER BY id", talks
    )
    messages = [row["id"] for row in said]
    pages = [messages[n : n + ROWS_AT_A_TIME] for n in range(0, len(messages), ROWS_AT_A_TIME)]
    for page in pages[:-1]:
        part = _said(Retained.SESSIONS, home, cutoff, message_ids=page)
        await _say(conn, org_id, home, part, today)
    last = _said(
        Retained.SESSIONS, home, cutoff, session_ids=[key], conversation_ids=talks[:ROWS_AT_A_TIME],
        message_ids=pages[-1] if pages else [],
    )  # fmt: skip
    await _say(conn, org_id, home, last, today)
    return 1


async def _dead_letters(
    pool: asyncpg.Pool, org_id: UUID | None, cutoff: datetime, dry_run: bool
) -> int:
    """Letters whose last attempt is too long ago, whatever became of them."""
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


async def _alone(conn: Connection) -> bool:
    """Whether no other run is at it; until the transaction ends."""
    found: bool = await conn.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('crm retention'))")
    return found


def _said(kind: Retained, home: UUID, cutoff: datetime, **rows: Sequence[UUID]) -> RetentionApplied:
    given = {name: tuple(keys) for name, keys in rows.items() if keys}
    return RetentionApplied.model_validate(
        {"property_id": home, "kind": kind, "cutoff": cutoff, **given}
    )


async def _say(
    conn: Connection, org_id: UUID, home: UUID, said: RetentionApplied, today: datetime
) -> None:
    """The same rows are named once a day, whoever names them."""
    keys = "".join(
        str(key)
        for name in ("session_ids", "conversation_ids", "message_ids", "engagement_ids")
        for key in getattr(said, name)
    )
    event = NewEvent(
        id=uuid5(home, f"{said.name}/{said.kind}/{said.cutoff.isoformat()}/{keys}"),
        event=said,
        org_id=org_id,
        property_id=home,
        occurred_at=today,
        cause=CAUSE,
    )
    await append(conn, [event], expected={})
    metrics.APPENDED.labels(said.name).inc()
