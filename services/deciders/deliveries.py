"""Deliveries: a message to a lead is planned, or skipped with the reason why it must not be."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.deliveries import DeliveryPlanned, DeliveryPurpose, DeliverySkipped
from events.event import Event
from events.record import Stream
from events.workflows import MessageChannel
from services.deciders import consents, leads
from services.deciders.consents import Consent
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.fields import without_nulls
from services.deciders.leads import Lead
from services.deciders.templates import SMS_CHARACTERS

NO_CONSENT = "no_consent"


@dataclass(frozen=True, slots=True)
class PlanDelivery:
    """Send a lead a message, whole as it is, at `due_at`."""

    delivery_id: UUID
    lead_id: UUID
    channel: MessageChannel
    purpose: DeliveryPurpose
    due_at: datetime
    body: str
    subject: str | None = None
    template_id: UUID | None = None
    template_version: int | None = None
    requested_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery, whom it goes to, and what they said about being written to on its channel."""

    is_planned: bool = False
    lead: Lead = field(default_factory=Lead)
    consent: Consent = field(default_factory=Consent)


def streams(command: PlanDelivery) -> Sequence[Stream]:
    consent = consent_id(command.lead_id, ConsentChannel(command.channel))
    return [
        Stream("delivery", command.delivery_id),
        Stream("lead", command.lead_id),
        Stream("consent", consent),
    ]


def evolve(state: Delivery, event: Event) -> Delivery:
    match event:
        case DeliveryPlanned():
            return replace(state, is_planned=True)
        case ConsentGiven() | ConsentWithdrawn():
            return replace(state, consent=consents.evolve(state.consent, event))
        case _:
            return replace(state, lead=leads.evolve(state.lead, event))


def decide(command: PlanDelivery, state: Delivery) -> list[Event]:
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if state.is_planned:
        return []
    recipient = recipient_of(state.lead, command.channel)
    if recipient is None:
        way = "phone number" if command.channel is MessageChannel.SMS else "e-mail address"
        raise Refused("no_recipient", f"the lead has no {way} that can be written to", 400)
    if not command.body.strip():
        raise Refused("no_message", "there is nothing to send", 400)
    sms = command.channel is MessageChannel.SMS
    if sms and len(command.body) > SMS_CHARACTERS:
        raise Refused("message_too_long", f"an sms has at most {SMS_CHARACTERS:,} characters", 400)
    subject = None if sms else " ".join((command.subject or "").split()) or None
    events: list[Event] = [DeliveryPlanned.model_validate(_told(
        command, due_at=command.due_at, template_id=command.template_id,
        template_version=command.template_version, recipient=recipient, subject=subject,
        body=command.body, requested_by=command.requested_by,
    ))]  # fmt: skip
    if state.consent.given is False:
        at = state.consent.at
        detail = "withdrawn" if at is None else f"withdrawn on {at.date().isoformat()}"
        skipped = _told(command, reason=NO_CONSENT, detail=detail)
        events.append(DeliverySkipped.model_validate(skipped))
    return events


def recipient_of(lead: Lead, channel: MessageChannel) -> str | None:
    """Where a message on this channel goes; a number that is not whole cannot be written to."""
    if channel is MessageChannel.EMAIL:
        return lead.details.get("email") or None
    phone = lead.details.get("phone") or ""
    return phone if phone.startswith("+") else None


def _told(command: PlanDelivery, **more: Any) -> dict[str, Any]:
    said = {
        "delivery_id": command.delivery_id,
        "lead_id": command.lead_id,
        "channel": command.channel,
        "purpose": command.purpose,
    }
    return said | without_nulls(**more)


decider: Decider[PlanDelivery, Delivery] = Decider(
    (PlanDelivery,), streams, Delivery(), evolve, decide
)
