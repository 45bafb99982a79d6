"""The decider of the steps of runs: it records what a step did, and moves the run on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from events.event import Event
from events.record import Stream
from events.runs import RunCompleted, RunStepReached, StepOutcome
from events.workflows import StepAction
from services.deciders import runs
from services.deciders.decider import Decider, Refused
from services.deciders.runs import Run, RunStatus


@dataclass(frozen=True, slots=True)
class RecordStep:
    """Record a step that was due and what follows: the next step, or the end of the run."""

    run_id: UUID
    lead_id: UUID
    step_number: int
    step_id: str
    action: StepAction
    outcome: StepOutcome
    next_step_number: int | None = None
    next_action_at: datetime | None = None
    delivery_id: UUID | None = None
    template_id: UUID | None = None
    error_message: str | None = None
    waits_for: str | None = None
    choice: str | None = None
    task_id: UUID | None = None


def delivery_id_of(run_id: UUID, run: Run, step_id: str) -> UUID:
    """Return the delivery id of the step that is due: again the same until it is done."""
    visit = run.visits.get((run.definition_version, step_id), 0)
    return uuid5(run_id, f"{run.definition_version}/{step_id}/{visit}")


def streams(command: RecordStep) -> Sequence[Stream]:
    return [Stream("run", command.run_id)]


def decide(command: RecordStep, state: Run) -> list[Event]:
    runs.require_live(state, command.run_id, command.lead_id)
    if state.status is not RunStatus.ACTIVE or state.step_number != command.step_number:
        raise Refused(
            "step_not_due",
            f"the run is {state.status} at step {state.step_number}, not at {command.step_number}",
        )
    identity = {"run_id": command.run_id, "lead_id": command.lead_id}
    reached = RunStepReached(
        **identity, step_number=command.step_number, step_id=command.step_id,
        action=command.action, outcome=command.outcome, delivery_id=command.delivery_id,
        template_id=command.template_id, error_message=command.error_message,
        next_step_number=command.next_step_number, next_action_at=command.next_action_at,
        waits_for=command.waits_for, choice=command.choice, task_id=command.task_id,
    )  # fmt: skip
    if command.next_step_number is None:
        return [reached, RunCompleted(**identity)]
    return [reached]


decider: Decider[RecordStep, Run] = Decider(
    "run", (RecordStep,), streams, Run(), runs.evolve, decide
)
