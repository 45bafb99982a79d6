"""Deliveries: messages to leads, from the send intent to the final state."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign, Personal
from events.fields import Body, Count, Flag, Instant, Line, Number, Text, Word
from events.workflows import MessageChannel


class DeliveryPurpose(StrEnum):
    """The purpose of a message."""

    WORKFLOW = "workflow"
    MANUAL = "manual"
    CONVERSATION = "conversation"
    TOUR_CONFIRMATION = "tour_confirmation"
    TOUR_CHANGE = "tour_change"
    TOUR_REMINDER_24H = "tour_reminder_24h"
    TOUR_REMINDER_1H = "tour_reminder_1h"


class ReconciledOutcome(StrEnum):
    """The result of an investigation of an unknown hand-over."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NEVER_SENT = "never_sent"


class _DeliveryEvent(Event):
    """An event of one send intent: its lead, channel and purpose."""

    stream: ClassVar[str] = "delivery"
    entity: ClassVar[str] = "delivery_id"
    requires: ClassVar[Mapping[str, str]] = {
        "delivery_id": "delivery",
        "lead_id": "lead",
        "run_id": "run",
        "tour_id": "tour",
    }

    delivery_id: UUID
    lead_id: UUID
    channel: MessageChannel
    purpose: DeliveryPurpose
    run_id: UUID | None = None
    step_number: Count | None = None
    tour_id: UUID | None = None
    tour_revision: Count | None = None


class DeliveryPlanned(_DeliveryEvent):
    """A message was planned."""

    name: ClassVar[str] = "delivery.planned"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {
        "lead_id": "lead",
        "run_id": "run",
        "tour_id": "tour",
        "template_id": "template",
    }

    due_at: Annotated[Instant, Field(description="When to send the message.")]
    useful_until: Annotated[
        Instant | None, Field(description="When the message becomes useless and is not sent.")
    ] = None
    template_id: UUID | None = None
    template_version: Number | None = None
    recipient: Annotated[Line | None, Personal("lead_id")] = None
    subject: Annotated[Text | None, Personal("lead_id")] = None
    body: Annotated[Body | None, Personal("lead_id")] = None
    requested_by: Foreign | None = None


class DeliveryHeld(_DeliveryEvent):
    """The message was postponed by quiet hours or a frequency cap."""

    name: ClassVar[str] = "delivery.held"
    planned: ClassVar[bool] = True

    reason: Annotated[Word, Field(description="Key of the rule.")]
    held_until: Instant | None = None


class DeliveryHandedOver(_DeliveryEvent):
    """The message was passed to the provider, with its content at that time."""

    name: ClassVar[str] = "delivery.handed_over"
    planned: ClassVar[bool] = True

    provider: Word
    attempt: Number
    simulated: Annotated[Flag, Field(description="True where there was no provider.")]
    external_id: Line | None = None
    recipient: Annotated[Line | None, Personal("lead_id")] = None
    subject: Annotated[Text | None, Personal("lead_id")] = None
    body: Annotated[Body | None, Personal("lead_id")] = None


class DeliveryDelivered(_DeliveryEvent):
    """The provider reported that the message arrived."""

    name: ClassVar[str] = "delivery.delivered"
    planned: ClassVar[bool] = True

    external_id: Line | None = None


class DeliveryFailed(_DeliveryEvent):
    """The message did not arrive and is not sent again."""

    name: ClassVar[str] = "delivery.failed"
    planned: ClassVar[bool] = True

    reason: Text
    code: Word | None = None
    attempt: Number | None = None
    external_id: Line | None = None


class DeliverySkipped(_DeliveryEvent):
    """The message was not sent: consent is missing, it is too late, or the run ended."""

    name: ClassVar[str] = "delivery.skipped"

    reason: Annotated[Word, Field(description="Key of the reason.")]
    detail: Text | None = None


class DeliveryUnknown(_DeliveryEvent):
    """A crash left it unknown whether the provider got the message: it is not sent again."""

    name: ClassVar[str] = "delivery.unknown"
    planned: ClassVar[bool] = True

    attempt: Number
    detail: Text | None = None


class DeliveryReconciled(_DeliveryEvent):
    """The result of an unknown hand-over was determined."""

    name: ClassVar[str] = "delivery.reconciled"
    planned: ClassVar[bool] = True

    outcome: ReconciledOutcome
    external_id: Line | None = None
    detail: Text | None = None
    reconciled_by: Foreign | None = None
