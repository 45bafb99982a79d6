"""Merging: one lead for a person who was taken for two, and back."""

from uuid import UUID

from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.merges import MergeLeads, UnmergeLead


async def merge(
    uow: UnitOfWork, loser_id: UUID, winner_id: UUID, *, reason: str | None, by: UUID | None
) -> UUID:
    """Merge a lead into another, or into the one that other is known by: whose id is returned.

    Raises `Refused`. Who merges or enrols one of both at the same time waits, or is decided again.
    """
    await uow.lock(Stream("lead", loser_id), Stream("lead", winner_id))
    top = await uow.known_as(winner_id)
    runs = await _runs(uow, loser_id)
    await uow.do(MergeLeads(loser_id, top, uow.scope.at, runs, reason, by))
    return top


async def unmerge(uow: UnitOfWork, loser_id: UUID, *, reason: str | None, by: UUID | None) -> UUID:
    """Let a lead stand for itself again; the id of the lead it was known by. Raises `Refused`."""
    await uow.lock(Stream("lead", loser_id))
    above = await uow.merged_into(loser_id)
    if not above:
        raise Refused("not_merged", f"lead {loser_id} is merged into no other")
    await uow.do(UnmergeLead(loser_id, above, uow.scope.at, reason, by))
    return above[-1]


async def _runs(uow: UnitOfWork, lead_id: UUID) -> tuple[UUID, ...]:
    rows = await uow.conn.fetch(
        "SELECT entity_id FROM public.crm_events "
        "WHERE lead_id = $1 AND event_type = 'run.enrolled' ORDER BY entity_id",
        lead_id,
    )
    return tuple(row["entity_id"] for row in rows)
