"""Tours to put into a test's history."""

from datetime import UTC, date, datetime, time
from uuid import UUID

from events.tours import TourCancelled, TourScheduled, TourType


def scheduled(tour_id: UUID, lead_id: UUID) -> TourScheduled:
    """A tour at ten in the morning in New York."""
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


def cancelled(tour_id: UUID, lead_id: UUID) -> TourCancelled:
    return TourCancelled(tour_id=tour_id, lead_id=lead_id)
