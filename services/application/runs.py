"""The live workflow runs of a lead, read from the log."""

from uuid import UUID

from services.application.unit_of_work import UnitOfWork
from services.deciders import runs
from services.deciders.runs import LIVE

MAX_RUNS = 200


async def list_live_runs(uow: UnitOfWork, lead_id: UUID) -> list[UUID]:
    """Return the runs of a lead that have not ended, the newest first."""
    rows = await uow.conn.fetch(
        "SELECT entity_id FROM public.crm_events WHERE lead_id = $1 "
        "AND event_type = 'run.enrolled' AND property_id = $2 "
        "ORDER BY occurred_at DESC, seq DESC LIMIT $3",
        lead_id,
        uow.scope.property_id,
        MAX_RUNS,
    )
    ids: list[UUID] = [row["entity_id"] for row in rows]
    return [key for key in ids if (await uow.load(runs.decider, key)).status in LIVE]
