"""The step `webhook`: tell another system about the run."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AnyUrl, Field

from events.fields import Json, Text
from events.runs import StepOutcome
from events.workflows import Step, StepAction
from services.deciders.steps.sending import describe_lateness
from services.deciders.steps.step_type import (
    CallWebhook,
    StepContext,
    StepDecision,
    StepOptions,
    StepType,
)


def check_url(url: str) -> str:
    """Return a URL of HTTPS with a host and without a password. Raise `ValueError` otherwise.

    Where the host leads is checked when the request is made.
    """
    parts = AnyUrl(url)
    if parts.scheme != "https" or not parts.host:
        raise ValueError(f"{url[:60]!r} is not an address that begins with https://")
    if parts.username or parts.password:
        raise ValueError("a URL must not contain a user name or a password")
    return url


class WebhookOptions(StepOptions):
    """The options of `webhook`: `content` is sent beside the ids of the run and the lead."""

    url: Annotated[Text, AfterValidator(check_url)]
    content: Json = Field(default_factory=dict)
    useful_hours: Annotated[float, Field(gt=0, le=24 * 31, strict=True)] = 24


def decide_webhook(_step: Step, options: WebhookOptions, context: StepContext) -> StepDecision:
    if (detail := describe_lateness(context, options.useful_hours)) is not None:
        return StepDecision(StepOutcome.SKIPPED, detail=detail)
    useful_until = context.due_at + timedelta(hours=options.useful_hours)
    content: dict[str, Any] = dict(options.content)
    return StepDecision(StepOutcome.PLANNED, CallWebhook(options.url, content, useful_until))


WEBHOOK = StepType(StepAction.WEBHOOK, WebhookOptions, decide_webhook)
