"""The state of a delivery, folded from its own events."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

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


class DeliveryStatus(StrEnum):
    """The status of a message."""

    PLANNED = "planned"
    HELD = "held"
    CLAIMED = "claimed"
    RELEASED = "released"
    HANDED_OVER = "handed_over"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    RECONCILED = "reconciled"


OPEN = (DeliveryStatus.PLANNED, DeliveryStatus.HELD, DeliveryStatus.RELEASED)
"""The statuses in which a message may still be sent or cancelled."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The state of a delivery; `planned` is None if it does not exist.

    `attempt` is the number of claims, `reason` the key of the rule that holds it.
    """

    planned: DeliveryPlanned | None = None
    status: DeliveryStatus = DeliveryStatus.PLANNED
    attempt: int = 0
    provider: str | None = None
    lease_until: datetime | None = None
    reason: str | None = None
    is_simulated: bool = False
    outcome: ReconciledOutcome | None = None

    @property
    def is_unsettled(self) -> bool:
        """Return whether a late result of a hand-over is news: nobody saw the message leave."""
        return self.status is DeliveryStatus.UNKNOWN or (
            self.status is DeliveryStatus.RECONCILED
            and self.outcome is ReconciledOutcome.NEVER_SENT
        )


def evolve(state: Delivery, event: Event) -> Delivery:
    match event:
        case DeliveryPlanned():
            return Delivery(planned=event)
        case DeliveryHeld():
            return replace(state, status=DeliveryStatus.HELD, reason=event.reason)
        case DeliverySkipped():
            return replace(state, status=DeliveryStatus.SKIPPED, reason=event.reason)
        case DeliveryClaimed():
            return replace(
                state, status=DeliveryStatus.CLAIMED, attempt=event.attempt,
                provider=event.provider, lease_until=event.lease_until, reason=None,
            )  # fmt: skip
        case DeliveryReleased():
            return replace(state, status=DeliveryStatus.RELEASED, reason=event.reason)
        case DeliveryHandedOver():
            return replace(state, status=DeliveryStatus.HANDED_OVER, is_simulated=event.simulated)
        case DeliveryDelivered():
            return replace(state, status=DeliveryStatus.DELIVERED)
        case DeliveryFailed():
            return replace(state, status=DeliveryStatus.FAILED)
        case DeliveryUnknown():
            return replace(state, status=DeliveryStatus.UNKNOWN)
        case DeliveryReconciled():
            return replace(state, status=DeliveryStatus.RECONCILED, outcome=event.outcome)
        case _:
            return state


def identity_of(planned: DeliveryPlanned) -> dict[str, Any]:
    """Return the fields that all events of a delivery have in common."""
    return {
        "delivery_id": planned.delivery_id, "lead_id": planned.lead_id,
        "channel": planned.channel, "purpose": planned.purpose, "run_id": planned.run_id,
        "step_number": planned.step_number, "tour_id": planned.tour_id,
        "tour_revision": planned.tour_revision,
    }  # fmt: skip
