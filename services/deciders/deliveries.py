"""The decider of deliveries: a message to a lead is planned, or skipped for want of consent."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from events.consents import ConsentChannel, ConsentGiven, ConsentWithdrawn, consent_id
from events.deliveries import (
    DeliveryChannel,
    DeliveryPlanned,
    DeliveryPurpose,
    DeliverySkipped,
    MessageClass,
)
from events.event import Event
from events.record import Stream
from events.workflows import MessageChannel
from services.deciders import consents, leads
from services.deciders.consents import Consent
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.leads import Lead
from services.deciders.restrictions import RESTRICTED, WHY_RESTRICTED
from services.deciders.templates import SMS_CHARACTERS

NO_CONSENT = "no_consent"
_CONTACTS = {
    DeliveryChannel.SMS: "complete phone number",
    DeliveryChannel.EMAIL: "e-mail address",
    DeliveryChannel.WEBHOOK: "address of a webhook",
}


@dataclass(frozen=True, slots=True)
class PlanDelivery:
    """Plan to send a rendered message to a lead at `due_at`.

    `caused_at` is when the lead itself did what the message answers, such as a booking. A message
    whose receiver is not the lead (a webhook, a test of a template) has its `recipient`.
    """

    delivery_id: UUID
    lead_id: UUID
    channel: MessageChannel | DeliveryChannel
    purpose: DeliveryPurpose
    due_at: datetime
    body: str
    subject: str | None = None
    template_id: UUID | None = None
    template_version: int | None = None
    requested_by: UUID | None = None
    message_class: MessageClass = MessageClass.CONVERSATIONAL
    useful_until: datetime | None = None
    caused_at: datetime | None = None
    run_id: UUID | None = None
    step_number: int | None = None
    tour_id: UUID | None = None
    tour_revision: int | None = None
    message_id: UUID | None = None
    recipient: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Whether a delivery is planned, with its lead and the lead's consent for the channel."""

    is_planned: bool = False
    lead: Lead = field(default_factory=Lead)
    consent: Consent = field(default_factory=Consent)


def streams(command: PlanDelivery) -> Sequence[Stream]:
    read = [Stream("delivery", command.delivery_id), Stream("lead", command.lead_id)]
    if command.recipient is None:
        consent = consent_id(command.lead_id, ConsentChannel(command.channel))
        read.append(Stream("consent", consent))
    return read


def evolve(state: Plan, event: Event) -> Plan:
    match event:
        case DeliveryPlanned():
            return replace(state, is_planned=True)
        case ConsentGiven() | ConsentWithdrawn():
            return replace(state, consent=consents.evolve(state.consent, event))
        case _:
            return replace(state, lead=leads.evolve(state.lead, event))


def decide(command: PlanDelivery, state: Plan) -> list[Event]:
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if state.is_planned:
        return []
    recipient = command.recipient or find_recipient(state.lead, command.channel)
    if recipient is None:
        contact = _CONTACTS[DeliveryChannel(command.channel)]
        raise Refused("no_recipient", f"the lead has no {contact} to send to", 400)
    if not command.body.strip():
        raise Refused("no_message", "the message is empty", 400)
    if _is_sms(command) and len(command.body) > SMS_CHARACTERS:
        raise Refused("message_too_long", f"an sms has at most {SMS_CHARACTERS:,} characters", 400)
    identity: dict[str, Any] = {
        "delivery_id": command.delivery_id, "lead_id": command.lead_id,
        "channel": DeliveryChannel(command.channel), "purpose": command.purpose,
        "run_id": command.run_id, "step_number": command.step_number, "tour_id": command.tour_id,
        "tour_revision": command.tour_revision,
    }  # fmt: skip
    events: list[Event] = [DeliveryPlanned(
        **identity, due_at=command.due_at, useful_until=command.useful_until,
        template_id=command.template_id, template_version=command.template_version,
        recipient=recipient, subject=_subject(command), body=command.body,
        requested_by=command.requested_by, message_class=command.message_class,
        caused_at=command.caused_at, message_id=command.message_id,
    )]  # fmt: skip
    if state.lead.is_restricted:
        events.append(DeliverySkipped(**identity, reason=RESTRICTED, detail=WHY_RESTRICTED))
    elif state.consent.given is False:
        at = state.consent.at
        detail = "withdrawn" if at is None else f"withdrawn on {at.date().isoformat()}"
        events.append(DeliverySkipped(**identity, reason=NO_CONSENT, detail=detail))
    return events


def find_recipient(lead: Lead, channel: MessageChannel | DeliveryChannel) -> str | None:
    """Return the lead's address on a channel; a phone number counts only in the form E.164."""
    if channel == DeliveryChannel.EMAIL:
        return lead.details.get("email") or None
    if channel != DeliveryChannel.SMS:
        return None
    phone = lead.details.get("phone") or ""
    return phone if phone.startswith("+") else None


def _is_sms(command: PlanDelivery) -> bool:
    return command.channel == DeliveryChannel.SMS


def _subject(command: PlanDelivery) -> str | None:
    """Return the subject on one line; None for an SMS."""
    return None if _is_sms(command) else " ".join((command.subject or "").split()) or None


decider: Decider[PlanDelivery, Plan] = Decider(
    "delivery", (PlanDelivery,), streams, Plan(), evolve, decide
)
