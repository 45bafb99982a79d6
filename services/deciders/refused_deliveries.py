"""The decider of messages that cannot be made: they are planned and skipped in one step.

So a message that somebody wanted has a stored reason, also if a value of its text is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from events.deliveries import (
    DeliveryChannel,
    DeliveryPlanned,
    DeliveryPurpose,
    DeliverySkipped,
    MessageClass,
)
from events.event import Event
from events.record import Stream
from services.deciders.decider import Decider
from services.deciders.delivery_state import Delivery, evolve


@dataclass(frozen=True, slots=True)
class RefuseDelivery:
    """Record that a message of a tour cannot be made, with the reason."""

    delivery_id: UUID
    lead_id: UUID
    channel: DeliveryChannel
    purpose: DeliveryPurpose
    due_at: datetime
    reason: str
    detail: str
    template_id: UUID
    template_version: int
    tour_id: UUID
    tour_revision: int


def streams(command: RefuseDelivery) -> Sequence[Stream]:
    return [Stream("delivery", command.delivery_id)]


def decide(command: RefuseDelivery, state: Delivery) -> list[Event]:
    if state.planned is not None:
        return []
    identity: dict[str, Any] = {
        "delivery_id": command.delivery_id, "lead_id": command.lead_id,
        "channel": command.channel, "purpose": command.purpose, "tour_id": command.tour_id,
        "tour_revision": command.tour_revision,
    }  # fmt: skip
    planned = DeliveryPlanned(
        **identity, due_at=command.due_at, template_id=command.template_id,
        template_version=command.template_version, message_class=MessageClass.TRANSACTIONAL,
    )  # fmt: skip
    return [planned, DeliverySkipped(**identity, reason=command.reason, detail=command.detail)]


decider: Decider[RefuseDelivery, Delivery] = Decider(
    "delivery", (RefuseDelivery,), streams, Delivery(), evolve, decide
)
