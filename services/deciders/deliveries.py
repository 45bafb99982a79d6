"""The decider of deliveries: a message to a lead is planned, or skipped for want of consent."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.deliveries import DeliveryPlanned, DeliveryPurpose, DeliverySkipped
from events.event import Event
from events.record import Stream
from events.workflows import MessageChannel
from services.deciders import consents, leads
from services.deciders.consents import Consent
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.leads import Lead
from services.deciders.templates import SMS_CHARACTERS

NO_CONSENT = "no_consent"


@dataclass(frozen=True, slots=True)
class PlanDelivery:
    """Plan to send a rendered message to a lead at `due_at`."""

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
    """The state of a delivery, with its lead and the lead's consent for the channel."""

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
    recipient = find_recipient(state.lead, command.channel)
    if recipient is None:
        contact = "complete phone number" if _is_sms(command) else "e-mail address"
        raise Refused("no_recipient", f"the lead has no {contact} to send to", 400)
    if not command.body.strip():
        raise Refused("no_message", "the message is empty", 400)
    if _is_sms(command) and len(command.body) > SMS_CHARACTERS:
        raise Refused("message_too_long", f"an sms has at most {SMS_CHARACTERS:,} characters", 400)
    events: list[Event] = [DeliveryPlanned(
        delivery_id=command.delivery_id, lead_id=command.lead_id, channel=command.channel,
        purpose=command.purpose, due_at=command.due_at, template_id=command.template_id,
        template_version=command.template_version, recipient=recipient, subject=_subject(command),
        body=command.body, requested_by=command.requested_by,
    )]  # fmt: skip
    if state.consent.given is False:
        at = state.consent.at
        events.append(DeliverySkipped(
            delivery_id=command.delivery_id, lead_id=command.lead_id, channel=command.channel,
            purpose=command.purpose, reason=NO_CONSENT,
            detail="withdrawn" if at is None else f"withdrawn on {at.date().isoformat()}",
        ))  # fmt: skip
    return events


def find_recipient(lead: Lead, channel: MessageChannel) -> str | None:
    """Return the lead's address on a channel; a phone number counts only in the form E.164."""
    if channel is MessageChannel.EMAIL:
        return lead.details.get("email") or None
    phone = lead.details.get("phone") or ""
    return phone if phone.startswith("+") else None


def _is_sms(command: PlanDelivery) -> bool:
    return command.channel is MessageChannel.SMS


def _subject(command: PlanDelivery) -> str | None:
    """Return the subject on one line; None for an SMS."""
    return None if _is_sms(command) else " ".join((command.subject or "").split()) or None


decider: Decider[PlanDelivery, Delivery] = Decider(
    "delivery", (PlanDelivery,), streams, Delivery(), evolve, decide
)
