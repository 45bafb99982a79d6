"""The events of a message as sentences for people: what happened, why, and what happens next."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from events.deliveries import (
    DeliveryClaimed,
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryPlanned,
    DeliveryReconciled,
    DeliveryReleased,
    DeliverySkipped,
    DeliveryUnknown,
    ReconciledOutcome,
)
from events.event import Event
from services.deciders.erasures import ERASED, WHY_ERASED
from services.deciders.restrictions import RESTRICTED, WHY_RESTRICTED

REASONS: Mapping[str, str] = {
    RESTRICTED: WHY_RESTRICTED,
    ERASED: WHY_ERASED,
    "no_consent": "the person does not want messages on this channel",
    "no_recipient": "the lead has no valid address on this channel",
    "no_message": "the message has no content any more",
    "run_ended": "the workflow run has ended",
    "run_paused": "the workflow run is paused",
    "tour_moved": "the tour has another time now",
    "tour_changed": "the tour has another status now",
    "takeover": "an agent talks with the person",
    "template_inactive": "the template is not active any more",
    "too_late": "the message is not useful any more",
    "frequency_cap": "the person has got as many marketing messages as the property allows",
    "quiet_hours": "messages are not sent at this hour where the person is",
    "no_time_zone": "neither the lead nor the property has a time zone: set the property's",
    "lead_breaker": "there are too many messages to this person in ten minutes",
    "property_breaker": "there are far more messages of this property than usual",
    "stopped": "an operator has stopped messages",
    "reply_received": "the person has written meanwhile",
    "missing_value": "the template needs a value that is not known",
    "cancelled": "a person cancelled the message",
}
"""Key of a reason → sentence."""
SETTLING = (
    "the provider may have got the message: ask it with `crm delivery reconcile`, or look there "
    "and state the result; a late report of the provider settles it too"
)


class DeliveryStep(NamedTuple):
    """One event of a message. `status` is the state after it, `next_at` when it goes on."""

    at: datetime
    status: str
    actor: str
    reason: str | None = None
    detail: str | None = None
    values: Mapping[str, Any] | None = None
    next_at: datetime | None = None
    provider: str | None = None
    attempt: int | None = None
    person: UUID | None = None


def describe_reason(code: str) -> str:
    """Return a sentence for the key of a reason; an unknown key as words."""
    return REASONS.get(code) or code.replace("_", " ")


def step_of(event: Event, at: datetime, actor: str) -> DeliveryStep:
    """Return an event of a delivery as a step of its history."""
    match event:
        case DeliveryPlanned():
            return DeliveryStep(at, "planned", actor, next_at=event.due_at,
                                person=event.requested_by)  # fmt: skip
        case DeliveryHeld():
            return DeliveryStep(at, "held", actor, event.reason, values=event.values,
                                next_at=event.held_until)  # fmt: skip
        case DeliverySkipped():
            return DeliveryStep(at, "skipped", actor, event.reason, event.detail, event.values,
                                person=event.skipped_by)  # fmt: skip
        case DeliveryClaimed():
            return DeliveryStep(at, "claimed", actor, values=event.values,
                                next_at=event.lease_until, provider=event.provider,
                                attempt=event.attempt)  # fmt: skip
        case DeliveryReleased():
            return DeliveryStep(at, "released", actor, event.reason, event.detail,
                                next_at=event.next_attempt_at, attempt=event.attempt)  # fmt: skip
        case DeliveryHandedOver():
            return DeliveryStep(at, "simulated" if event.simulated else "sent", actor,
                                provider=event.provider, attempt=event.attempt)  # fmt: skip
        case DeliveryDelivered():
            return DeliveryStep(at, "delivered", actor)
        case DeliveryFailed():
            return DeliveryStep(at, "failed", actor, event.code, event.reason,
                                attempt=event.attempt)  # fmt: skip
        case DeliveryUnknown():
            return DeliveryStep(at, "unknown", actor, detail=event.detail, attempt=event.attempt)
        case DeliveryReconciled():
            return DeliveryStep(at, event.outcome.value, actor, detail=event.detail,
                                person=event.reconciled_by)  # fmt: skip
        case _:
            return DeliveryStep(at, event.name, actor)


def explain(step: DeliveryStep) -> str:
    """Return the state after a step as a sentence."""
    reason = describe_reason(step.reason) if step.reason else None
    until = f" until {step.next_at:%Y-%m-%d %H:%M} UTC" if step.next_at else ""
    match step.status:
        case "planned":
            return f"planned: it is sent at {step.next_at:%Y-%m-%d %H:%M} UTC if all rules allow it"
        case "held":
            return f"held{until}: {reason}"
        case "skipped":
            return _join("not sent", reason, step.detail)
        case "claimed":
            return f"a sender is handing it over, its claim ends{until or ' soon'}"
        case "released":
            return _join(f"the provider did not get it, next attempt{until}", step.detail or reason)
        case "sent":
            return f"handed over to {step.provider}, which has not reported yet"
        case "simulated":
            return "simulated: no provider is configured, so nobody got it"
        case "delivered":
            return "delivered, as the provider reported"
        case "failed":
            return _join("not delivered", step.detail or reason)
        case "unknown":
            return _join("unknown whether the provider got it", step.detail)
        case ReconciledOutcome.NEVER_SENT:
            return _join("not sent", step.detail)
        case _:
            return step.status


def _join(text: str, *more: str | None) -> str:
    return ": ".join([text, *dict.fromkeys(part for part in more if part)])
