"""The policy `suppress`: a message that failed for good ends the messages to its contact."""

from uuid import UUID

from events.deliveries import DeliveryFailed
from events.record import RecordedEvent
from services.application.suppressions import PLACES, suppress_failed_contact
from services.application.unit_of_work import UnitOfWork
from services.workflows.policies.policy import Policy, readable


async def find_delivery(_uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    """Return the delivery if the person opted out at the provider, or has no such address."""
    event = readable(recorded)
    is_final = isinstance(event, DeliveryFailed) and event.code in PLACES
    return [event.stream_id] if is_final else []


async def act(uow: UnitOfWork, recorded: RecordedEvent, _delivery_id: UUID) -> None:
    """Withdraw consent of every lead of the organisation with the contact."""
    event = readable(recorded)
    if isinstance(event, DeliveryFailed):
        await suppress_failed_contact(uow, recorded, event)


SUPPRESS = Policy("suppress", (DeliveryFailed,), find_delivery, act)
