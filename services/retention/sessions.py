"""Sessions that never had a lead expire together with their conversations and messages."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from events.log.locks import lock_streams
from events.operations import Retained
from events.record import Stream
from services.retention import retention_events
from services.retention.retention_events import MAX_BATCHES, append_retention

SESSIONS_PER_TRANSACTION = 50
OLD_SESSIONS = """
FROM widget_sessions s WHERE s.org_id = $1 AND s.lead_id IS NULL AND s.last_activity_at < $2
  AND NOT EXISTS (SELECT FROM conversations c WHERE c.widget_session_id = s.id
                  AND c.lead_id IS NOT NULL)
"""
NEWER_ACTIVITY = """
SELECT EXISTS (SELECT FROM public.crm_events
  WHERE (entity_type, entity_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))
    AND (occurred_at >= $3 OR lead_id IS NOT NULL))
"""


async def expire(
    pool: asyncpg.Pool, org_id: UUID, cutoff: datetime, today: datetime, *, dry_run: bool
) -> int:
    """Append events that name the sessions without activity since `cutoff`; return how many."""
    if dry_run:
        count: int = await pool.fetchval(f"SELECT count(*) {OLD_SESSIONS}", org_id, cutoff)
        return count
    after, removed = UUID(int=0), 0
    for _ in range(MAX_BATCHES):
        async with pool.acquire() as conn, conn.transaction():
            if not await retention_events.lock_run(conn):
                break
            rows = await conn.fetch(
                f"SELECT s.id, s.property_id {OLD_SESSIONS} AND s.id > $3 "
                f"ORDER BY s.id LIMIT {SESSIONS_PER_TRANSACTION}",
                org_id,
                cutoff,
                after,
            )
            if not rows:
                break
            for row in rows:
                removed += await _expire_session(conn, org_id, row, cutoff, today)
        after = rows[-1]["id"]
    return removed


async def _expire_session(
    conn: Connection, org_id: UUID, session: asyncpg.Record, cutoff: datetime, today: datetime
) -> int:
    """Append the events that name one session; return 0 if the log has newer activity, else 1."""
    session_id, property_id = session["id"], session["property_id"]
    rows = await conn.fetch("SELECT id FROM conversations WHERE widget_session_id = $1", session_id)
    conversations = [row["id"] for row in rows]
    # The tables lag behind the log: lock the streams first, so that no visitor comes back between
    # this check and the commit.
    streams = [
        Stream("session", session_id),
        *(Stream("conversation", key) for key in conversations),
    ]
    await lock_streams(conn, streams)
    if await conn.fetchval(
        NEWER_ACTIVITY,
        ["session", *("conversation" for _ in conversations)],
        [session_id, *conversations],
        cutoff,
    ):
        return 0
    rows = await conn.fetch(
        "SELECT id FROM messages WHERE conversation_id = ANY($1::uuid[]) ORDER BY id", conversations
    )
    pages = _pages([row["id"] for row in rows])
    for page in pages[:-1]:
        await append_retention(
            conn, org_id, property_id, Retained.SESSIONS, cutoff, today, message_ids=page
        )
    await append_retention(
        conn, org_id, property_id, Retained.SESSIONS, cutoff, today,
        session_ids=[session_id], conversation_ids=conversations[:retention_events.ROWS_PER_EVENT],
        message_ids=pages[-1] if pages else [],
    )  # fmt: skip
    return 1


def _pages(ids: Sequence[UUID]) -> list[Sequence[UUID]]:
    size = retention_events.ROWS_PER_EVENT
    return [ids[start : start + size] for start in range(0, len(ids), size)]
