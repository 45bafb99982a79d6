"""The use cases of merges: merge two leads, and undo a merge."""

from uuid import UUID

from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.merges import MergeLeads, UnmergeLead


async def merge(
    uow: UnitOfWork, loser_id: UUID, winner_id: UUID, *, reason: str | None, by: UUID | None
) -> UUID:
    """Merge a lead into the surviving lead of another one; return the surviving lead.

    Raises `Refused`. A merge or an enrolment of one of the two leads at the same time waits, or
    has a conflict and is decided again.
    """
    await uow.lock(Stream("lead", loser_id), Stream("lead", winner_id))
    survivor = await uow.surviving_lead(winner_id)
    runs = await _runs(uow, loser_id)
    await uow.execute(MergeLeads(loser_id, survivor, uow.scope.at, runs, reason, by))
    return survivor


async def unmerge(uow: UnitOfWork, loser_id: UUID, *, reason: str | None, by: UUID | None) -> UUID:
    """Undo the merge of a lead; return the lead that was the surviving one. Raises `Refused`."""
    await uow.lock(Stream("lead", loser_id))
    above = await uow.leads_above(loser_id)
    if not above:
        raise Refused("not_merged", f"lead {loser_id} is not merged into another lead")
    await uow.execute(UnmergeLead(loser_id, above, uow.scope.at, reason, by))
    return above[-1]


async def _runs(uow: UnitOfWork, lead_id: UUID) -> tuple[UUID, ...]:
    rows = await uow.conn.fetch(
        "SELECT entity_id FROM public.crm_events "
        "WHERE lead_id = $1 AND event_type = 'run.enrolled' ORDER BY entity_id",
        lead_id,
    )
    return tuple(row["entity_id"] for row in rows)
