"""The policy `tour_messages`: what happens to a tour plans its messages, or makes them useless."""

from uuid import UUID

from events.record import RecordedEvent
from events.tours import (
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
)
from services.application.tour_messages import update_tour_messages
from services.application.unit_of_work import UnitOfWork
from services.workflows.policies.policy import Policy, readable


async def find_tour(_uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    """Return the tour of the event."""
    return [recorded.entity_id]


async def act(uow: UnitOfWork, recorded: RecordedEvent, tour_id: UUID) -> None:
    """Plan and skip messages of the tour."""
    await update_tour_messages(uow, tour_id, readable(recorded), recorded.occurred_at)


TOUR_MESSAGES = Policy(
    "tour_messages",
    (
        TourScheduled, TourRescheduled, TourConfirmed, TourCancelled, TourCompleted,
        TourNoShowRecorded, TourNoShowCorrected,
    ),
    find_tour,
    act,
)  # fmt: skip
