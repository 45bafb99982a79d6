"""The steps `sms` and `email`: plan a message from a template."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from events.runs import StepOutcome
from events.workflows import MessageChannel, Step, StepAction
from services.deciders.steps.step_type import (
    SendTemplate,
    StepContext,
    StepDecision,
    StepOptions,
    StepType,
)

TOO_LATE = "too_late"


class SendingOptions(StepOptions):
    """The options of a step that sends: a message that is later than `useful_hours` is skipped."""

    useful_hours: Annotated[float, Field(gt=0, le=24 * 31, strict=True)] = 24


def decide_message(step: Step, options: SendingOptions, context: StepContext) -> StepDecision:
    """Send the template while it is useful; a message that comes much too late only confuses."""
    if (detail := describe_lateness(context, options.useful_hours)) is not None:
        return StepDecision(StepOutcome.SKIPPED, detail=detail)
    useful_until = context.due_at + timedelta(hours=options.useful_hours)
    effect = SendTemplate(MessageChannel(step.action), step.template_slug or "", useful_until)
    return StepDecision(StepOutcome.PLANNED, effect)


def describe_lateness(context: StepContext, useful_hours: float) -> str | None:
    """Return why it is too late for a step that is useful for so long; None if it is not."""
    late_hours = (context.at - context.due_at) / timedelta(hours=1)
    if late_hours <= useful_hours:
        return None
    return f"{TOO_LATE}: {late_hours:.1f} hours late, and useful for {useful_hours:g} hours"


SMS = StepType(StepAction.SMS, SendingOptions, decide_message, channel=MessageChannel.SMS)
EMAIL = StepType(StepAction.EMAIL, SendingOptions, decide_message, channel=MessageChannel.EMAIL)
