"""The policy `no_show_corrections`: a corrected no-show ends the runs that it started."""

from uuid import UUID

from events.record import RecordedEvent
from events.runs import RunEnrolled
from events.tours import TourNoShowCorrected
from services.application.unit_of_work import UnitOfWork
from services.deciders import runs
from services.deciders.runs import LIVE, ExitRun
from services.deciders.workflows import Trigger
from services.workflows.policies.policy import Policy

CODE, REASON = "no_show_corrected", "the no-show was a mistake"
MAX_RUNS = 1_000


async def find_recoveries(uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    """Return the runs that no-shows of the tour started before the correction."""
    rows = await uow.conn.fetch(
        "SELECT run.entity_id FROM public.crm_events run LEFT JOIN public.crm_events cause "
        "ON cause.id = (run.payload ->> 'trigger_event_id')::uuid "
        "WHERE run.lead_id = ANY($1::uuid[]) AND run.event_type = $2 AND run.property_id = $3 "
        "AND run.payload ->> 'tour_id' = $4 AND run.payload ->> 'trigger' = $5 "
        "AND coalesce(cause.position, run.position) < $6 ORDER BY run.seq LIMIT $7",
        await _leads_of(uow, recorded),
        RunEnrolled.name,
        uow.scope.property_id,
        str(recorded.entity_id),
        Trigger.TOUR_NO_SHOW.value,
        recorded.position,
        MAX_RUNS,
    )
    return [row["entity_id"] for row in rows]


async def act(uow: UnitOfWork, _recorded: RecordedEvent, run_id: UUID) -> None:
    """End the run. Its planned messages are not sent, because the sender asks whether it ended."""
    run = await uow.load(runs.decider, run_id)
    if run.lead_id is not None and run.status in LIVE:
        await uow.execute(ExitRun(run_id, run.lead_id, CODE, REASON))


async def _leads_of(uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    if recorded.lead_id is None:
        return []
    return [recorded.lead_id, *await uow.leads_above(recorded.lead_id)]


NO_SHOW_CORRECTIONS = Policy(
    "no_show_corrections", (TourNoShowCorrected,), find_recoveries, act
)  # fmt: skip
