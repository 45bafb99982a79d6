"""The policy `merge`: a merge ends the runs of the loser, also one that was starting meanwhile."""

from uuid import UUID

from events.merges import LeadMerged
from events.record import RecordedEvent
from services.application.run_exits import end_run_of_merged_lead
from services.application.runs import list_live_runs
from services.application.unit_of_work import UnitOfWork
from services.workflows.policies.policy import Policy, readable


async def find_runs(uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    """Return the live runs of the loser."""
    event = readable(recorded)
    return await list_live_runs(uow, event.loser_id) if isinstance(event, LeadMerged) else []


async def act(uow: UnitOfWork, _recorded: RecordedEvent, run_id: UUID) -> None:
    """End the run if its lead is still merged."""
    await end_run_of_merged_lead(uow, run_id)


MERGE = Policy("merge", (LeadMerged,), find_runs, act)
