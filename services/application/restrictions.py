"""The use cases of restrictions: restrict the use of a person's data, and allow it again."""

from uuid import UUID

from events.record import Stream
from services.application.merged_leads import list_members
from services.application.runs import list_live_runs
from services.application.unit_of_work import UnitOfWork
from services.deciders.restrictions import (
    RESTRICTED,
    WHY_RESTRICTED,
    LiftRestriction,
    RestrictLead,
)
from services.deciders.runs import ExitRun


async def restrict(uow: UnitOfWork, lead_id: UUID, *, reason: str, by: UUID | None) -> UUID:
    """Restrict the person of a lead and stop its runs; return the surviving lead.

    A repetition changes nothing. An enrolment of the person at the same time waits for the lock of
    the lead, and then sees the restriction. Raises `Refused`.
    """
    survivor = await _lock_survivor(uow, lead_id)
    await uow.execute(RestrictLead(survivor, reason, by))
    for member in await list_members(uow, survivor):
        for run_id in await list_live_runs(uow, member):
            await uow.execute(ExitRun(run_id, member, RESTRICTED, WHY_RESTRICTED))
    return survivor


async def lift_restriction(uow: UnitOfWork, lead_id: UUID, *, reason: str, by: UUID | None) -> UUID:
    """Allow the use of the person's data again; return the surviving lead. Raises `Refused`.

    Runs that the restriction stopped stay stopped, and messages that it skipped stay skipped.
    """
    survivor = await _lock_survivor(uow, lead_id)
    await uow.execute(LiftRestriction(survivor, reason, by))
    return survivor


async def _lock_survivor(uow: UnitOfWork, lead_id: UUID) -> UUID:
    """Lock the surviving lead: enrolments, merges and restrictions of it wait for each other."""
    await uow.lock(Stream("lead", lead_id))
    survivor = await uow.surviving_lead(lead_id)
    if survivor != lead_id:
        await uow.lock(Stream("lead", survivor))
    return survivor
