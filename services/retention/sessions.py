"""Sessions that never had a lead, with all that was said in them."""

from datetime import datetime
from uuid import UUID

import asyncpg

from events.log.append import lock_streams
from events.log.connection import Connection
from events.operations import Retained
from events.record import Stream
from services.retention import naming
from services.retention.naming import BATCHES_AT_MOST, name_gone

SESSIONS_AT_A_TIME = 50
OLD = """
FROM widget_sessions s WHERE s.org_id = $1 AND s.lead_id IS NULL AND s.last_activity_at < $2
  AND NOT EXISTS (SELECT FROM conversations c WHERE c.widget_session_id = s.id
                  AND c.lead_id IS NOT NULL)
"""


async def expire(
    pool: asyncpg.Pool, org_id: UUID, cutoff: datetime, today: datetime, *, dry_run: bool
) -> int:
    """Name in facts the sessions in which nothing was said since; how many they are."""
    if dry_run:
        found: int = await pool.fetchval(f"SELECT count(*) {OLD}", org_id, cutoff)
        return found
    after, gone = UUID(int=0), 0
    for _ in range(BATCHES_AT_MOST):
        async with pool.acquire() as conn, conn.transaction():
            if not await naming.alone(conn):
                break
            rows = await conn.fetch(
                f"SELECT s.id, s.property_id {OLD} AND s.id > $3 "
                f"ORDER BY s.id LIMIT {SESSIONS_AT_A_TIME}",
                org_id,
                cutoff,
                after,
            )
            if not rows:
                break
            for row in rows:
                gone += await _name(conn, org_id, row, cutoff, today)
        after = rows[-1]["id"]
    return gone


async def _name(
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
    messages, size = [row["id"] for row in said], naming.ROWS_AT_A_TIME
    pages = [messages[n : n + size] for n in range(0, len(messages), size)]
    for page in pages[:-1]:
        await name_gone(
            conn, org_id, home, Retained.SESSIONS, cutoff, today, message_ids=page
        )  # fmt: skip
    await name_gone(
        conn, org_id, home, Retained.SESSIONS, cutoff, today, session_ids=[key],
        conversation_ids=talks[:size], message_ids=pages[-1] if pages else [],
    )  # fmt: skip
    return 1
