"""Tour events for tests."""

from datetime import UTC, date, datetime, time
from uuid import UUID

from events.tours import TourCancelled, TourScheduled, TourType


def tour_scheduled(tour_id: UUID, lead_id: UUID) -> TourScheduled:
    """Return the booking of a tour at 10:00 in New York."""
    return TourScheduled(
        tour_id=tour_id,
        lead_id=lead_id,
        tour_date=date(2026, 3, 20),
        tour_time=time(10),
        time_zone="America/New_York",
        fold=0,
        starts_at=datetime(2026, 3, 20, 14, tzinfo=UTC),
        duration_minutes=30,
        tour_type=TourType.IN_PERSON,
        source="manual",
    )


def tour_cancelled(tour_id: UUID, lead_id: UUID) -> TourCancelled:
    """Return the cancellation of the tour."""
    return TourCancelled(tour_id=tour_id, lead_id=lead_id)
