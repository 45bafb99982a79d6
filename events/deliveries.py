"""Deliveries: messages to leads, from the send intent to the final state."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign, Personal
from events.fields import Body, Count, Flag, Instant, Json, Key, Line, NotPersonal, Number, Text


class DeliveryChannel(StrEnum):
    """The way on which a message leaves."""

    SMS = "sms"
    EMAIL = "email"
    WEBHOOK = "webhook"


class DeliveryPurpose(StrEnum):
    """The purpose of a message."""

    WORKFLOW = "workflow"
    MANUAL = "manual"
    CONVERSATION = "conversation"
    TOUR_CONFIRMATION = "tour_confirmation"
    TOUR_CHANGE = "tour_change"
    TOUR_CANCELLATION = "tour_cancellation"
    TOUR_REMINDER_24H = "tour_reminder_24h"
    TOUR_REMINDER_1H = "tour_reminder_1h"
    TEST = "test"
    """A test of a template, sent to the agent who asked for it."""


class MessageClass(StrEnum):
    """The class of a message: frequency caps, quiet hours and the footer depend on it."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"
    """Follows an act of the lead, such as a booking."""
    CONVERSATIONAL = "conversational"
    """An agent's answer, or the answer to a keyword."""


class ReconciledOutcome(StrEnum):
    """The result of an investigation of an unknown hand-over."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NEVER_SENT = "never_sent"


_COMPARED = NotPersonal("Counts, limits, instants and keys: rules of the core write them.")
ExternalId = Annotated[
    Line | None, NotPersonal("Made by the provider for one message; its reports are found by it.")
]


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
    channel: DeliveryChannel
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
    message_class: Annotated[
        MessageClass | None, Field(description="Class on which the rules of sending depend.")
    ] = None
    caused_at: Annotated[
        Instant | None, Field(description="When the lead itself did what the message answers.")
    ] = None
    message_id: Annotated[
        Foreign | None, Field(description="Message of a conversation that this one carries.")
    ] = None


class DeliveryHeld(_DeliveryEvent):
    """The message was postponed by quiet hours, a cap, a breaker or the stop switch."""

    name: ClassVar[str] = "delivery.held"

    reason: Annotated[Key, Field(description="Key of the rule.")]
    held_until: Instant | None = None
    values: Annotated[
        Json | None, _COMPARED, Field(description="What the rule compared, without personal data.")
    ] = None


class DeliveryClaimed(_DeliveryEvent):
    """A sender is about to hand the message over: all rules allowed it at this instant.

    A claim that no result follows until `lease_until` becomes unknown. It is never repeated.
    """

    name: ClassVar[str] = "delivery.claimed"

    attempt: Number
    provider: Key
    lease_until: Annotated[
        Instant, Field(description="When the hand-over becomes unknown if no result follows.")
    ]
    values: Annotated[
        Json | None, _COMPARED, Field(description="What the rules compared, without personal data.")
    ] = None


class DeliveryReleased(_DeliveryEvent):
    """The provider certainly did not get the message: it is handed over again later."""

    name: ClassVar[str] = "delivery.released"

    attempt: Number
    reason: Annotated[Key, Field(description="Key of the reason.")]
    detail: Annotated[Text | None, Personal("lead_id")] = None
    next_attempt_at: Annotated[Instant, Field(description="When the sender tries again.")]


class DeliveryHandedOver(_DeliveryEvent):
    """The message was passed to the provider, with its content at that time."""

    name: ClassVar[str] = "delivery.handed_over"

    provider: Key
    attempt: Number
    simulated: Annotated[Flag, Field(description="True where there was no provider.")]
    external_id: ExternalId = None
    recipient: Annotated[Line | None, Personal("lead_id")] = None
    subject: Annotated[Text | None, Personal("lead_id")] = None
    body: Annotated[Body | None, Personal("lead_id")] = None


class DeliveryDelivered(_DeliveryEvent):
    """The provider reported that the message arrived."""

    name: ClassVar[str] = "delivery.delivered"

    external_id: ExternalId = None


class DeliveryFailed(_DeliveryEvent):
    """The message did not arrive and is not sent again."""

    name: ClassVar[str] = "delivery.failed"

    reason: Annotated[Text, Personal("lead_id")]
    code: Key | None = None
    attempt: Number | None = None
    external_id: ExternalId = None


class DeliverySkipped(_DeliveryEvent):
    """The message is not sent: consent is missing, it is too late, or the run ended."""

    name: ClassVar[str] = "delivery.skipped"

    reason: Annotated[Key, Field(description="Key of the reason.")]
    detail: Annotated[Text | None, Personal("lead_id")] = None
    values: Annotated[
        Json | None, _COMPARED, Field(description="What the rule compared, without personal data.")
    ] = None
    skipped_by: Annotated[
        Foreign | None, Field(description="Profile of the person who cancelled the message.")
    ] = None


class DeliveryUnknown(_DeliveryEvent):
    """A crash left it unknown whether the provider got the message: it is not sent again."""

    name: ClassVar[str] = "delivery.unknown"

    attempt: Number
    detail: Annotated[Text | None, Personal("lead_id")] = None


class DeliveryReconciled(_DeliveryEvent):
    """The result of an unknown hand-over was determined."""

    name: ClassVar[str] = "delivery.reconciled"

    outcome: ReconciledOutcome
    external_id: ExternalId = None
    detail: Annotated[Text | None, Personal("lead_id")] = None
    reconciled_by: Foreign | None = None
