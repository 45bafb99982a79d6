"""The runs of a lead that have not ended, by the log."""

from uuid import UUID

from services.application.unit_of_work import UnitOfWork
from services.deciders.runs import LIVE, Run, StopRun

RUNS_AT_MOST = 200


async def live_runs(uow: UnitOfWork, lead_id: UUID) -> list[UUID]:
    """Newest first."""
    rows = await uow.conn.fetch(
        "SELECT entity_id FROM public.crm_events WHERE lead_id = $1 "
        "AND event_type = 'run.enrolled' AND property_id = $2 "
        "ORDER BY occurred_at DESC, seq DESC LIMIT $3",
        lead_id,
        uow.scope.property_id,
        RUNS_AT_MOST,
    )
    found: list[UUID] = []
    for row in rows:
        run: Run = await uow.state(StopRun(row["entity_id"], lead_id, ""))
        if run.status in LIVE:
            found.append(row["entity_id"])
    return found
