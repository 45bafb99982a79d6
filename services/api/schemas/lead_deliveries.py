"""Response with the messages to a lead and the reasons of their states."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel

Status = Literal[
    "planned", "held", "claimed", "released", "sent", "simulated", "delivered", "failed", "skipped",
    "unknown", "never_sent",
]  # fmt: skip


class DeliveryStepItem(ResponseModel):
    """One event of a message.

    - `reason`: the key of the rule that held or skipped it; `values` is what the rule compared.
    - `nextAt`: when the sender looks at the message again.
    - `person`: the user who asked for the message, cancelled it or settled it.
    """

    at: Instant
    status: Status
    actor: str
    reason: str | None
    detail: str | None
    values: dict[str, Any] | None
    next_at: Instant | None
    provider: str | None
    attempt: int | None
    person: UUID | None


class ForecastItem(ResponseModel):
    """The result of the rules of sending if nothing changes until the message is due.

    `at` is the next lawful time; null if the message would not be sent, because of `reason`.
    """

    at: Instant | None
    reason: str | None
    explanation: str


class DeliveryItem(ResponseModel):
    """A message with its state.

    - `status`: `sent` is handed over and not reported yet, `simulated` went to nobody.
    - `explanation`: the state and its reason as a sentence.
    - `nextAt`: the due time, the next lawful time of a held message, or the next attempt.
    - `settling`: how an unknown hand-over can be settled.
    - `forecast`: only of a message that may still be sent.
    """

    id: UUID
    lead_id: UUID
    channel: str
    purpose: str
    message_class: str | None
    status: Status
    reason: str | None
    explanation: str
    values: dict[str, Any] | None
    planned_at: Instant
    due_at: Instant
    next_at: Instant | None
    useful_until: Instant | None
    settling: str | None
    forecast: ForecastItem | None
    subject: str | None
    run_id: UUID | None
    step_number: int | None
    tour_id: UUID | None
    tour_revision: int | None
    template_id: UUID | None
    template_version: int | None
    requested_by: UUID | None
    history: Annotated[list[DeliveryStepItem], Field(min_length=1)]


class UnplannedItem(ResponseModel):
    """A message that a coming tour could have, and the reason why nobody planned it."""

    tour_id: UUID
    purpose: str
    channel: str
    reason: str
    explanation: str


class DeliveryListResponse(ResponseModel):
    """The newest messages to a lead, newest first."""

    examples: ClassVar[Examples] = {
        "no message": {
            "deliveries": [],
            "notPlanned": [
                {
                    "tourId": example.TOUR,
                    "purpose": "tour_reminder_1h",
                    "channel": "sms",
                    "reason": "template_inactive",
                    "explanation": "the template tour-reminder-1h-sms is missing or not active: "
                    "activate it",
                }
            ],
        }
    }

    deliveries: list[DeliveryItem]
    not_planned: list[UnplannedItem]
