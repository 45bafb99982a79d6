"""The use case of an exit: a run ends early because of something that happened to its lead."""

from uuid import UUID

from events.event import Event
from events.leads import LeadStatusChanged
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads, runs, workflows
from services.deciders.merges import MERGED
from services.deciders.occurrences import occurrence_of
from services.deciders.run_exits import find_exit
from services.deciders.runs import LIVE, ExitRun


async def exit_run(uow: UnitOfWork, run_id: UUID, event: Event) -> None:
    """End a run if its version of the definition names the status or the occurrence of an event.

    Without a new status the present one of the lead counts. A run that has ended stays as it is. So
    does the run of a surviving lead after a change of the merged lead's status, which is its own.
    """
    run = await uow.load(runs.decider, run_id)
    if run.lead_id is None or run.definition_id is None or run.status not in LIVE:
        return
    if isinstance(event, LeadStatusChanged) and event.lead_id != run.lead_id:
        return
    definition = await uow.load(workflows.decider, run.definition_id)
    content = definition.versions.get(run.definition_version)
    if content is None:  # the next step of the run reports it
        return
    if isinstance(event, LeadStatusChanged):
        status = event.status
    else:
        status = (await uow.load(leads.decider, run.lead_id)).status
    occurrence = occurrence_of(event, run.tour_id)
    if run_exit := find_exit(content, status, {occurrence} if occurrence else ()):
        await uow.execute(ExitRun(run_id, run.lead_id, *run_exit))


async def end_run_of_merged_lead(uow: UnitOfWork, run_id: UUID) -> None:
    """End a run whose lead was merged into another one; the merge itself ends those it sees."""
    run = await uow.load(runs.decider, run_id)
    if run.lead_id is None or run.status not in LIVE:
        return
    if (survivor := await uow.surviving_lead(run.lead_id)) != run.lead_id:
        reason = f"the lead was merged into {survivor}"
        await uow.execute(ExitRun(run_id, run.lead_id, MERGED, reason))
