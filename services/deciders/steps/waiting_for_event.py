"""The step `wait_for_event`: wait for an occurrence, at most for a limit."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from events.runs import StepOutcome
from events.workflows import Step, StepAction
from services.deciders.occurrences import Occurrence
from services.deciders.steps.step_type import (
    Need,
    StepContext,
    StepDecision,
    StepOptions,
    StepTarget,
    StepType,
)

TIMEOUT = "timeout"
"""The choice of a wait whose limit was reached."""


class WaitOptions(StepOptions):
    """The options of `wait_for_event`.

    The run goes on at the step `on_event` or `on_timeout`; without them at the next one.
    """

    event: Occurrence
    limit_hours: Annotated[float, Field(gt=0, le=24 * 366, strict=True)]
    on_event: StepTarget | None = None
    on_timeout: StepTarget | None = None


def decide_wait(_step: Step, options: WaitOptions, context: StepContext) -> StepDecision:
    """Go on if it has happened since the enrolment or the limit is reached, else wait."""
    if options.event in context.happened:
        return StepDecision(StepOutcome.DONE, choice=options.event.value, goes_to=options.on_event)
    if context.is_waiting:
        return StepDecision(StepOutcome.WAITED, choice=TIMEOUT, goes_to=options.on_timeout)
    return StepDecision(
        StepOutcome.WAITING, waits_for=options.event.value,
        waits_until=context.at + timedelta(hours=options.limit_hours),
    )  # fmt: skip


def name_targets(options: WaitOptions) -> Sequence[str]:
    return [target for target in (options.on_event, options.on_timeout) if target is not None]


WAIT_FOR_EVENT = StepType(
    StepAction.WAIT_FOR_EVENT, WaitOptions, decide_wait, targets=name_targets,
    needs=frozenset({Need.HAPPENED}),
)  # fmt: skip
