"""The input of the rules of sending: one message, its lead and its property at one instant."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from events.deliveries import DeliveryChannel, DeliveryPlanned, DeliveryPurpose, MessageClass
from services.deciders.runs import RunStatus
from services.deciders.sending_rules.property_rules import PropertyRules
from services.deciders.templates import Template
from services.deciders.tours import Tour


class ConsentDecision(NamedTuple):
    """The newest decision of one lead of the person about the channel.

    `is_own` is False for another lead that has the same contact.
    """

    given: bool
    at: datetime
    is_own: bool = True


class Takeover(NamedTuple):
    """The last time an agent took over a chat of the person, and whether it still lasts."""

    at: datetime
    is_in_charge: bool


class SentMessage(NamedTuple):
    """An earlier message to the person that was claimed and not given back by the provider."""

    at: datetime
    channel: DeliveryChannel
    message_class: MessageClass


class StopSwitch(NamedTuple):
    """A stop of all messages, or of those of the property."""

    at: datetime
    is_global: bool
    reason: str


class Traffic(NamedTuple):
    """The messages that the breakers count.

    Those of the person by the instants of their plans and claims, in ten minutes at least; those
    of the property in the last hour, and the mean number of plans of an hour in the days before.
    """

    planned_for_lead: Sequence[datetime] = ()
    claimed_for_lead: Sequence[datetime] = ()
    planned_in_hour: int = 0
    claimed_in_hour: int = 0
    hourly_mean: float = 0.0


@dataclass(frozen=True, slots=True)
class SendingContext:
    """Everything that the rules of sending compare. None means that there is no such thing."""

    now: datetime
    planned: DeliveryPlanned
    planned_at: datetime
    recipient: str | None
    is_restricted: bool = False
    rules: PropertyRules = field(default_factory=PropertyRules)
    consents: Sequence[ConsentDecision] = ()
    run: RunStatus | None = None
    tour: Tour | None = None
    template: Template | None = None
    takeover: Takeover | None = None
    sent: Sequence[SentMessage] = ()
    traffic: Traffic = field(default_factory=Traffic)
    stop: StopSwitch | None = None
    lead_zone: str | None = None
    lead_phone: str | None = None
    property_zone: str | None = None

    @property
    def message_class(self) -> MessageClass:
        """Return the class; messages planned before there were classes were typed by agents."""
        return self.planned.message_class or MessageClass.CONVERSATIONAL

    @property
    def is_to_lead(self) -> bool:
        """Return whether the lead gets the message: not a webhook, not an agent's test."""
        return (
            self.planned.channel is not DeliveryChannel.WEBHOOK
            and self.planned.purpose is not DeliveryPurpose.TEST
        )

    def is_answer(self, within: timedelta) -> bool:
        """Return whether the message answers an act of the lead of the last minutes."""
        caused_at = self.planned.caused_at
        return (
            self.message_class is not MessageClass.MARKETING
            and caused_at is not None
            and caused_at <= self.now <= caused_at + within
        )
