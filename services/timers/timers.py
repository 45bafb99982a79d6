"""Timers: what time alone changes is said as a fact when it is due.

A lead's score has a next change time beside it. When that has passed, one `score.due` moves the
lead's clock to now, through every change on the way. Its id derives from the lead and the instant
it was due, so two timers, or one that looks twice, say it once. Once a day retention is applied.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

import asyncpg

from events.engagements import ScoreDue
from events.log.append import append
from events.record import Cause, NewEvent
from services.retention import retention
from services.runtime import metrics
from services.runtime.database import AWAY, pooled
from services.runtime.logging import get_logger
from services.runtime.process import Checks, sleep_unless
from services.runtime.settings import Settings

POLL_SECONDS = 1.0
RETENTION_POLL_SECONDS = 300.0
BATCH_LEADS = 500
FIRST = datetime(1, 1, 1, tzinfo=UTC)
CAUSE = Cause(actor="timer")


log = get_logger("timers")


async def say_what_is_due(pool: asyncpg.Pool, now: datetime) -> int:
    """Append one fact for each lead whose score time has changed, a batch or a little more of
    them; how many were new.

    What was said already stays due until it is projected, for a parked lead as long as it is
    parked: it is gone past, so that it keeps nobody else waiting.
    """
    said, after = 0, (FIRST, UUID(int=0))
    while said < BATCH_LEADS:
        rows = await pool.fetch(
            "SELECT lead_id, org_id, property_id, next_change_at FROM crm_state.lead_score_state "
            "WHERE next_change_at <= $1 AND (next_change_at, lead_id) > ($2, $3) "
            "ORDER BY next_change_at, lead_id LIMIT $4",
            now,
            *after,
            BATCH_LEADS,
        )
        if not rows:
            break
        after = (rows[-1]["next_change_at"], rows[-1]["lead_id"])
        said += await _say(pool, [_due(row, now) for row in rows])
    metrics.APPENDED.labels(ScoreDue.name).inc(said)
    return said


async def _say(pool: asyncpg.Pool, dues: Sequence[NewEvent]) -> int:
    """Append those that the log has not; how many were new."""
    async with pool.acquire() as conn, conn.transaction():
        rows = await conn.fetch(
            "SELECT id FROM public.crm_events WHERE id = ANY($1::uuid[])",
            [due.id for due in dues],
        )
        known = {row["id"] for row in rows}
        fresh = [due for due in dues if due.id not in known]
        return len((await append(conn, fresh, expected={})).new)


def _due(row: asyncpg.Record, now: datetime) -> NewEvent:
    due_at: datetime = row["next_change_at"]
    lead_id: UUID = row["lead_id"]
    return NewEvent(
        id=uuid5(lead_id, f"{ScoreDue.name}/{due_at.astimezone(UTC).isoformat()}"),
        event=ScoreDue(lead_id=lead_id, due_at=due_at),
        org_id=row["org_id"],
        property_id=row["property_id"],
        occurred_at=now,
        cause=CAUSE,
    )


async def retire_daily(pool: asyncpg.Pool, stop: asyncio.Event) -> None:
    """Apply retention as soon as the process is up, and then once a day."""
    retired: date | None = None
    while not stop.is_set():
        today = datetime.now(UTC)
        if retired != today.date():
            try:
                log.info("timers.retention", **await retention.run(pool, today))
                retired = today.date()
            except AWAY as error:
                log.warning("timers.retention_failed", error=repr(error))
        await sleep_unless(stop, RETENTION_POLL_SECONDS)


async def work(settings: Settings, stop: asyncio.Event, checks: Checks) -> None:
    """The process: looks once a second, more often while there is much to say."""
    async with pooled(settings, "crm timers", size=4) as pool, asyncio.TaskGroup() as tasks:
        tasks.create_task(retire_daily(pool, stop))

        async def database() -> str | None:
            await pool.fetchval("SELECT 1")
            return None

        checks["database"] = database
        while not stop.is_set():
            try:
                said = await say_what_is_due(pool, datetime.now(UTC))
            except AWAY as error:
                log.warning("timers.database_away", error=repr(error))
                said = 0
            if said < BATCH_LEADS:
                await sleep_unless(stop, POLL_SECONDS)
