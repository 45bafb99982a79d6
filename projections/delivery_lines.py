"""Texts of activities about messages to a lead."""

from typing import Any, NamedTuple
from uuid import UUID

from events.activities import ActivityType
from events.deliveries import (
    DeliveryChannel,
    DeliveryHandedOver,
    DeliveryPurpose,
    DeliveryReconciled,
    ReconciledOutcome,
)

_CHANNELS = {
    DeliveryChannel.SMS: (ActivityType.SMS_SENT, "SMS"),
    DeliveryChannel.EMAIL: (ActivityType.EMAIL_SENT, "E-mail"),
}


class DeliveryLine(NamedTuple):
    """The text and the metadata of an activity about a message."""

    kind: ActivityType
    description: str
    metadata: dict[str, Any]


def is_to_lead(event: DeliveryHandedOver | DeliveryReconciled) -> bool:
    """Return whether the lead gets the message: not a server, and not an agent who tests it."""
    return event.channel in _CHANNELS and event.purpose is not DeliveryPurpose.TEST


def delivery_line(event: DeliveryHandedOver | DeliveryReconciled) -> DeliveryLine | None:
    """Return type, text and metadata for a message that was handed over; None for others.

    Without a provider nobody got the message, and the text says so.
    """
    if not is_to_lead(event):
        return None
    kind, channel = _CHANNELS[event.channel]
    match event:
        case DeliveryHandedOver(simulated=True):
            ending = "simulated, nobody got it"
        case DeliveryHandedOver():
            ending = "sent"
        case DeliveryReconciled(outcome=ReconciledOutcome.DELIVERED):
            ending = "sent, as was found out later"
        case _:
            return None
    subject = event.subject if isinstance(event, DeliveryHandedOver) else None
    ids: dict[str, UUID | None] = {
        "delivery_id": event.delivery_id, "run_id": event.run_id, "tour_id": event.tour_id,
    }  # fmt: skip
    metadata = {
        **{name: str(key) for name, key in ids.items() if key is not None},
        "purpose": event.purpose.value,
        "simulated": isinstance(event, DeliveryHandedOver) and event.simulated,
    }
    description = f"{channel} {ending}" if subject is None else f"{channel} {ending}: {subject}"
    return DeliveryLine(kind, description, metadata)
