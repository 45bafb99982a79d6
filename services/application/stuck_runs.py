"""Runs that make no progress, with the reason, and their repair."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from events.log.connection import Connection
from events.log.timers import set_timer
from events.timers import TimerKind
from projections.catalog import LIVE
from services.application.unit_of_work import UnitOfWork
from services.deciders import runs
from services.deciders.decider import Refused
from services.deciders.runs import RunStatus

OVERDUE = timedelta(minutes=1)
"""Time after which a timer that nobody works on is reported."""
MAX_RUNS = 1_000


class StuckCode(StrEnum):
    """The kind of reason why a run makes no progress."""

    BLOCKED = "blocked"
    """Its step cannot be done; the reason is that of the last attempt."""
    OVERDUE = "overdue"
    """Its step is due, and no worker did it."""
    LOST_TIMER = "lost_timer"
    """It is active, and nothing will move it."""
    PARKED = "parked"
    """Its tables are not up to date, because an event of the run or its lead is parked."""


HINTS = {
    StuckCode.BLOCKED: "repair what the reason names, then `crm workflow repair RUN`",
    StuckCode.OVERDUE: "start the process services.workflows, or look at its log",
    StuckCode.LOST_TIMER: "`crm workflow repair RUN` sets the timer again",
    StuckCode.PARKED: "`crm parked list` shows the event, `crm parked retry` tries it again",
}


class StuckRun(NamedTuple):
    """A run that makes no progress."""

    run_id: UUID
    org_id: UUID
    property_id: UUID
    code: str
    reason: str
    since: datetime
    attempts: int


async def list_stuck_runs(
    conn: Connection, now: datetime, property_id: UUID | None = None, limit: int = MAX_RUNS,
    *, run_id: UUID | None = None,
) -> list[StuckRun]:  # fmt: skip
    """Return the runs that make no progress, those that wait longest first.

    With `run_id` only that run, if it is one of them.
    """
    rows = await conn.fetch(
        """
        SELECT entity_id AS run_id, org_id, property_id,
          CASE WHEN error IS NULL THEN 'overdue' ELSE 'blocked' END AS code,
          coalesce(error, 'its step is due and was not done') AS reason, due_at AS since, attempts
        FROM crm.timers WHERE kind = $1 AND (error IS NOT NULL OR queue_at < $2)
          AND ($3::uuid IS NULL OR property_id = $3)
          AND ($6::uuid IS NULL OR entity_id = $6)
        UNION ALL
        SELECT run.id, run.org_id, run.property_id, 'lost_timer',
          'it is active, and no timer will move it', run.updated_at, 0
        FROM public.lead_workflows run
        WHERE run.status = 'active' AND run.updated_at < $2
          AND ($3::uuid IS NULL OR run.property_id = $3) AND ($6::uuid IS NULL OR run.id = $6)
          AND NOT EXISTS (SELECT FROM crm.timers timer
            WHERE timer.kind = $1 AND timer.entity_id = run.id)
        UNION ALL
        SELECT run.id, run.org_id, run.property_id, 'parked', parked.reason, parked.parked_at,
          parked.attempts
        FROM crm.parked parked JOIN public.lead_workflows run
          ON run.id = ANY(parked.touches) OR run.lead_id = ANY(parked.touches)
        WHERE parked.projection_group = $4 AND run.status IN ('active', 'paused')
          AND ($3::uuid IS NULL OR run.property_id = $3) AND ($6::uuid IS NULL OR run.id = $6)
        ORDER BY since, run_id LIMIT $5
        """,
        TimerKind.RUN.value,
        now - OVERDUE,
        property_id,
        LIVE.name,
        limit,
        run_id,
    )
    return [StuckRun(**row) for row in rows]


async def repair_run(uow: UnitOfWork, run_id: UUID) -> datetime:
    """Let the step of an active run be tried at once; return when it is due.

    Nothing is done twice: the step is decided from the log again. Raises `Refused`.
    """
    run = await uow.load(runs.decider, run_id)
    if run.lead_id is None:
        raise Refused("unknown_subject", f"no run {run_id}", 404)
    if run.status is not RunStatus.ACTIVE:
        raise Refused("run_state", f"the run is {run.status}: only an active run can be repaired")
    due_at = run.next_action_at or uow.scope.at
    scope = uow.scope
    await set_timer(uow.conn, TimerKind.RUN, run_id, scope.org_id, scope.property_id, due_at)
    return due_at
