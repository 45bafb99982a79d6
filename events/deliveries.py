"""Messages to leads: a send intent from the plan to what the provider said became of it."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from events.event import Event, Foreign, Intake, Personal
from events.fields import Body, Count, Flag, Instant, Line, Number, Text, Word
from events.workflows import MessageChannel


class DeliveryPurpose(StrEnum):
    """What a message is for."""

    WORKFLOW = "workflow"
    MANUAL = "manual"
    CONVERSATION = "conversation"
    TOUR_CONFIRMATION = "tour_confirmation"
    TOUR_CHANGE = "tour_change"
    TOUR_REMINDER_24H = "tour_reminder_24h"
    TOUR_REMINDER_1H = "tour_reminder_1h"


class ReconciledOutcome(StrEnum):
    """What an unknown hand-over turned out to be."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NEVER_SENT = "never_sent"


class _DeliveryEvent(Event):
    """The stream of one send intent: to whom, on which channel, for what."""

    stream: ClassVar[str] = "delivery"
    entity: ClassVar[str] = "delivery_id"
    intake: ClassVar[Intake] = Intake.NO

    delivery_id: UUID
    lead_id: UUID
    channel: MessageChannel
    purpose: DeliveryPurpose
    run_id: UUID | None = None
    step_number: Count | None = None
    tour_id: UUID | None = None
    tour_revision: Count | None = None


class DeliveryPlanned(_DeliveryEvent):
    """A message is to be sent at `due_at`, and is of no use after `useful_until`."""

    name: ClassVar[str] = "delivery.planned"

    due_at: Instant
    useful_until: Instant | None = None
    template_id: UUID | None = None
    template_version: Number | None = None
    recipient: Annotated[Line | None, Personal("lead_id")] = None
    subject: Annotated[Text | None, Personal("lead_id")] = None
    body: Annotated[Body | None, Personal("lead_id")] = None
    requested_by: Foreign | None = None


class DeliveryHeld(_DeliveryEvent):
    """Not now: quiet hours, a frequency cap; `reason` is the key of the rule."""

    name: ClassVar[str] = "delivery.held"

    reason: Word
    held_until: Instant | None = None


class DeliveryHandedOver(_DeliveryEvent):
    """The provider took the message as it was then; `simulated` says there was no provider."""

    name: ClassVar[str] = "delivery.handed_over"

    provider: Word
    attempt: Number
    simulated: Flag
    external_id: Line | None = None
    recipient: Annotated[Line | None, Personal("lead_id")] = None
    subject: Annotated[Text | None, Personal("lead_id")] = None
    body: Annotated[Body | None, Personal("lead_id")] = None


class DeliveryDelivered(_DeliveryEvent):
    """The provider says that the message arrived."""

    name: ClassVar[str] = "delivery.delivered"

    external_id: Line | None = None


class DeliveryFailed(_DeliveryEvent):
    """The message did not arrive, and will not be tried again."""

    name: ClassVar[str] = "delivery.failed"

    reason: Text
    code: Word | None = None
    attempt: Number | None = None
    external_id: Line | None = None


class DeliverySkipped(_DeliveryEvent):
    """The message must not be sent: no consent, too late, exit reached; `reason` is the key."""

    name: ClassVar[str] = "delivery.skipped"

    reason: Word
    detail: Text | None = None


class DeliveryUnknown(_DeliveryEvent):
    """A crash after the hand-over: whether the message left is not known, so it is not re-sent."""

    name: ClassVar[str] = "delivery.unknown"

    attempt: Number
    detail: Text | None = None


class DeliveryReconciled(_DeliveryEvent):
    """It was found out what became of an unknown hand-over."""

    name: ClassVar[str] = "delivery.reconciled"

    outcome: ReconciledOutcome
    external_id: Line | None = None
    detail: Text | None = None
    reconciled_by: Foreign | None = None
