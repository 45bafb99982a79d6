"""The timers process: due events, retention, the completion of erasures, samples of the pipeline.

A lead's score state has a next change time. When it has passed, one `score.due` event moves the
fold time of the lead to now, through every change on the way. The id of the event is derived from
the lead and the due time, so several timers processes, or one that runs twice, append it once.
Retention is applied once a day.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

import asyncpg

from events.log.append import append
from events.record import Cause, NewEvent
from events.scores import ScoreDue
from services.privacy.erasure_completion import complete_erasures
from services.retention import retention
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, pooled
from services.runtime.logging import get_logger
from services.runtime.process import Checks, sleep_unless
from services.runtime.reachability import DATABASE, reachability_check
from services.runtime.settings import Settings
from services.runtime.table_fit import TableFit
from services.runtime.tasks import run_until_first_ends
from services.timers.pipeline_sampler import sample_regularly

POLL_SECONDS = 1.0
RETENTION_POLL_SECONDS = 300.0
ERASURE_POLL_SECONDS = 2.0
ERASURE_DAYS = timedelta(days=1)
BATCH_LEADS = 500
FIRST = datetime(1, 1, 1, tzinfo=UTC)
CAUSE = Cause(actor="timer")
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)

log = get_logger("timers")


async def append_due_events(pool: asyncpg.Pool, now: datetime) -> int:
    """Append `score.due` for leads whose next change time has passed; return how many were new.

    One call appends about `BATCH_LEADS` events at most. A lead stays due until its event is
    projected, which for a parked lead can take long. Such leads are skipped, so that they do not
    block the leads behind them.
    """
    appended, after = 0, (FIRST, UUID(int=0))
    while appended < BATCH_LEADS:
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
        appended += await _append_new(pool, [_due_event(row, now) for row in rows])
    metrics.APPENDED.labels(ScoreDue.name).inc(appended)
    return appended


async def _append_new(pool: asyncpg.Pool, due_events: Sequence[NewEvent]) -> int:
    """Append the events that the log does not have; return how many were new.

    A repeated `score.due` has another `occurred_at`, which the log would refuse as a reused id.
    """
    async with pool.acquire() as conn, conn.transaction():
        rows = await conn.fetch(
            "SELECT id FROM public.crm_events WHERE id = ANY($1::uuid[])",
            [due.id for due in due_events],
        )
        appended_ids = {row["id"] for row in rows}
        missing = [due for due in due_events if due.id not in appended_ids]
        return len((await append(conn, missing, expected={})).new)


def _due_event(row: asyncpg.Record, now: datetime) -> NewEvent:
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


async def apply_retention_daily(
    pool: asyncpg.Pool, fit: TableFit, stop: asyncio.Event, clock: Clock
) -> None:
    """Apply retention at the start of the process and then once a day."""
    applied_on: date | None = None
    while not stop.is_set():
        now = clock.now()
        if applied_on != now.date():
            try:
                await fit.require()
                log.info("timers.retention", **await retention.apply_rules(pool, now))
                applied_on = now.date()
            except RETRY_ERRORS as error:
                log.warning("timers.retention_failed", error=error, is_retry=True)
        await sleep_unless(stop, RETENTION_POLL_SECONDS)


async def complete_erasures_regularly(
    pool: asyncpg.Pool, stop: asyncio.Event, clock: Clock
) -> None:
    """Complete the erasures of persons that all tables contain; look for them every few seconds.

    The first time, all erasures are looked at, then those of the last day and those still open.
    """
    since: datetime | None = None
    while not stop.is_set():
        try:
            now = clock.now()
            unfinished = await complete_erasures(pool, now, since=since)
            since = min([now - ERASURE_DAYS, *(erasure.erased_at for erasure in unfinished)])
        except RETRY_ERRORS as error:
            log.warning("timers.erasures_failed", error=error, is_retry=True)
        await sleep_unless(stop, ERASURE_POLL_SECONDS)


async def append_due_events_regularly(
    pool: asyncpg.Pool, fit: TableFit, stop: asyncio.Event, clock: Clock
) -> None:
    """Look for due events once a second, and without a pause while a batch is full."""
    while not stop.is_set():
        try:
            await fit.require()
            appended = await append_due_events(pool, clock.now())
        except RETRY_ERRORS as error:
            log.warning("timers.database_away", error=error, is_retry=True)
            appended = 0
        if appended < BATCH_LEADS:
            await sleep_unless(stop, POLL_SECONDS)


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock) -> None:
    """Run the process until stopped.

    Raise `UnfitTables` while the host's tables cannot hold the core's rows.
    """
    async with pooled(settings, "crm timers", size=4) as pool:
        fit = TableFit(pool)
        await fit.require()
        checks["database"] = reachability_check(settings, DATABASE)
        await run_until_first_ends(
            append_due_events_regularly(pool, fit, stop, clock),
            apply_retention_daily(pool, fit, stop, clock),
            complete_erasures_regularly(pool, stop, clock),
            sample_regularly(pool, stop, clock),
        )
