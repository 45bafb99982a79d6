"""The catalog of step types, and the order of the steps of a definition."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from events.workflows import Step, StepAction
from services.deciders.decider import Refused
from services.deciders.steps import (
    branching,
    lead_changes,
    sending,
    waiting,
    waiting_for_event,
    webhook,
)
from services.deciders.steps.step_type import StepDecision, StepType

STEP_TYPES: Mapping[StepAction, StepType] = {
    step_type.action: step_type
    for step_type in (
        sending.SMS, sending.EMAIL, waiting.WAIT, waiting.WAIT_UNTIL,
        waiting_for_event.WAIT_FOR_EVENT, branching.BRANCH, branching.SPLIT, branching.END,
        lead_changes.SET_STATUS, lead_changes.ASSIGN, lead_changes.NOTE, lead_changes.TASK,
        webhook.WEBHOOK,
    )
}  # fmt: skip
"""Action → the type of its steps."""


def check_steps(steps: Sequence[Step]) -> None:
    """Raise `Refused` if a step cannot be done as it is written."""
    ids = [step.id for step in steps]
    duplicate = next((key for key in ids if ids.count(key) > 1), None)
    if duplicate is not None:
        raise _invalid(f"two steps have the id {duplicate[:60]!r}")
    for number, step in enumerate(steps):
        step_type = STEP_TYPES[step.action]
        if step_type.channel is not None and not step.template_slug:
            raise _invalid(f"step {step.id[:60]!r} needs a template_slug")
        if step_type.channel is None and step.template_slug:
            raise _invalid(
                f"step {step.id[:60]!r} sends no template ({step.action}): remove its template_slug"
            )
        for target in step_type.targets(step_type.read_options(step)):
            # Only forwards: so a run has at most as many steps as its definition.
            if target not in ids[number + 1 :]:
                raise _invalid(
                    f"step {step.id[:60]!r} goes to {target[:60]!r}, which is no later step: "
                    "name the id of a step below it"
                )


def find_due_time(step: Step, after: datetime, zone: str | None) -> datetime:
    """Return when a step is due whose last step was done at `after`. Raises `Refused`."""
    return STEP_TYPES[step.action].due_time(step, after, zone)


def find_next_step(steps: Sequence[Step], number: int, decision: StepDecision) -> int | None:
    """Return the number of the step that follows a decision; None if the run ends."""
    if decision.ends:
        return None
    following = number + 1
    if decision.goes_to is not None:
        later = (n for n in range(following, len(steps)) if steps[n].id == decision.goes_to)
        following = next(later, following)
    return following if following < len(steps) else None


def _invalid(why: str) -> Refused:
    return Refused("invalid_definition", why, 400)
