"""The use case of a step that is due: exits are checked, the step is done, the run goes on."""

from collections import Counter
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from events.workflows import Step
from services.application.lead_values import load_values
from services.application.occurrences import list_occurrences
from services.application.step_effects import DueStep, StepBlocked, perform
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads, runs, workflows
from services.deciders.decider import Refused
from services.deciders.merges import MERGED
from services.deciders.occurrences import Occurrence
from services.deciders.run_exits import RunExit, find_exit
from services.deciders.run_steps import RecordStep
from services.deciders.runs import ExitRun, Run, RunStatus
from services.deciders.steps.catalog import STEP_TYPES, find_due_time, find_next_step
from services.deciders.steps.step_type import Need, StepContext, StepDecision
from services.deciders.workflows import WorkflowContent

RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
"""Delays after each failed attempt of a step that cannot be done. Then the run stops."""


class Progress(StrEnum):
    """The effect of a due timer on its run."""

    MOVED = "moved"
    """The run went on or ended."""
    IDLE = "idle"
    """The run has nothing to do: it is paused, has ended or does not exist."""
    BLOCKED = "blocked"
    """The step cannot be done now: the same again at `retry_at`."""


class StepReport(NamedTuple):
    """The effect of a due timer on its run, and when and why the timer comes again."""

    progress: Progress
    retry_at: datetime | None = None
    reason: str | None = None


async def reach_step(uow: UnitOfWork, run_id: UUID, *, attempts: int = 0) -> StepReport:
    """Do the step of a run that is due. `attempts` is how often it could not be done so far."""
    run, at = await uow.load(runs.decider, run_id), uow.scope.at
    if run.lead_id is None or run.status is not RunStatus.ACTIVE or run.next_action_at is None:
        return StepReport(Progress.IDLE)
    if run.next_action_at > at:
        return StepReport(Progress.BLOCKED, run.next_action_at)
    try:
        run_exit = await _do_step(uow, run_id, run, run.lead_id, run.next_action_at)
    except StepBlocked as blocked:
        if attempts < len(RETRY_DELAYS):
            return StepReport(Progress.BLOCKED, at + RETRY_DELAYS[attempts], str(blocked))
        run_exit = RunExit(blocked.code, f"gave up after {attempts + 1} attempts: {blocked}")
    if run_exit is not None:
        await uow.execute(ExitRun(run_id, run.lead_id, *run_exit))
    return StepReport(Progress.MOVED)


async def load_content(uow: UnitOfWork, run: Run) -> WorkflowContent:
    """Return the definition of a run in its own version. Raises `StepBlocked`."""
    if run.definition_id is not None:
        definition = await uow.load(workflows.decider, run.definition_id)
        if content := definition.versions.get(run.definition_version):
            return content
    raise StepBlocked(
        "definition_missing",
        f"there is no version {run.definition_version} of workflow {run.definition_id}",
    )


async def signal_run(uow: UnitOfWork, run_id: UUID, occurrence: Occurrence) -> bool:
    """Let a run that waits for this occurrence go on; return whether it did.

    A paused run goes on when it is resumed: it finds the occurrence in the log. Raises
    `StepBlocked`: then the timer of the run tries again at the limit.
    """
    run = await uow.load(runs.decider, run_id)
    if run.status is not RunStatus.ACTIVE or run.waits_for != occurrence or run.lead_id is None:
        return False
    if occurrence not in await _list_unconsumed(uow, run_id, run, run.lead_id):
        return False
    run_exit = await _do_step(uow, run_id, run, run.lead_id, uow.scope.at)
    if run_exit is not None:
        await uow.execute(ExitRun(run_id, run.lead_id, *run_exit))
    return True


async def _do_step(
    uow: UnitOfWork, run_id: UUID, run: Run, lead_id: UUID, due_at: datetime
) -> RunExit | None:
    """Do the step, or return why the run ends instead. Raises `StepBlocked`."""
    content = await load_content(uow, run)
    if run_exit := await check_exits(uow, run_id, lead_id, content):
        return run_exit
    if run.step_number >= len(content.steps):
        return RunExit("no_step", f"the workflow has no step {run.step_number}")
    step = content.steps[run.step_number]
    context = await _build_context(uow, run_id, run, lead_id, step, due_at)
    step_type = STEP_TYPES[step.action]
    decision = step_type.decide(step, step_type.read_options(step), context)
    following, next_at = _find_next(content, run, decision, context)
    performed = await perform(uow, DueStep(run_id, run, lead_id, step), decision)
    await uow.execute(RecordStep(
        run_id, lead_id, run.step_number, step.id, step.action, performed.outcome,
        next_step_number=following, next_action_at=next_at, delivery_id=performed.delivery_id,
        template_id=performed.template_id, error_message=performed.detail,
        waits_for=decision.waits_for, choice=decision.choice, task_id=performed.task_id,
    ))  # fmt: skip
    return None


async def check_exits(
    uow: UnitOfWork, run_id: UUID, lead_id: UUID, content: WorkflowContent
) -> RunExit | None:
    """Return why a run must end now; None if it goes on."""
    if await uow.surviving_lead(lead_id) != lead_id:
        return RunExit(MERGED, "the lead was merged into another one")
    lead = await uow.load(leads.decider, lead_id)
    happened = await list_occurrences(uow, run_id, lead_id) if content.exit_events else []
    return find_exit(content, lead.status, happened)


async def _build_context(
    uow: UnitOfWork, run_id: UUID, run: Run, lead_id: UUID, step: Step, due_at: datetime
) -> StepContext:
    """Return what the type of the step looks at, and read only that."""
    needs = STEP_TYPES[step.action].needs
    zone = (await uow.load_property()).zone_name
    values = await load_values(uow, lead_id) if Need.VALUES in needs else {}
    happened: list[str] = []
    if Need.HAPPENED in needs:
        happened = await _list_unconsumed(uow, run_id, run, lead_id)
    definition_id = run.definition_id or run_id
    return StepContext(
        run_id, lead_id, definition_id, uow.scope.at, due_at, zone, values, happened,
        is_waiting=run.waits_for is not None,
    )  # fmt: skip


async def _list_unconsumed(uow: UnitOfWork, run_id: UUID, run: Run, lead_id: UUID) -> list[str]:
    """Return the occurrences since the enrolment for which the run has not waited yet."""
    counts: Counter[str] = Counter(await list_occurrences(uow, run_id, lead_id))
    counts.subtract(run.consumed)
    return [occurrence for occurrence, count in counts.items() if count > 0]


def _find_next(
    content: WorkflowContent, run: Run, decision: StepDecision, context: StepContext
) -> tuple[int | None, datetime | None]:
    """Return the number and the due time of the next step; of the same one if the run waits.

    Raises `StepBlocked`.
    """
    if decision.waits_for is not None:
        return run.step_number, decision.waits_until
    following = find_next_step(content.steps, run.step_number, decision)
    if following is None:
        return None, None
    try:
        return following, find_due_time(content.steps[following], context.at, context.zone)
    except Refused as refused:
        raise StepBlocked(refused.code, refused.message) from refused
