"""Texts of activities about tours."""

from typing import NamedTuple, TypeAlias, assert_never
from uuid import UUID

from events.activities import ActivityType
from events.tours import (
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
)

TourEvent: TypeAlias = (
    TourScheduled | TourRescheduled | TourConfirmed | TourCompleted | TourCancelled
    | TourNoShowRecorded | TourNoShowCorrected
)  # fmt: skip


class TourLine(NamedTuple):
    """The texts and metadata of an activity about a tour."""

    kind: ActivityType
    description: str
    author: UUID | None


def tour_line(event: TourEvent) -> TourLine:
    """Return activity type, text and author for an event of a tour."""
    match event:
        case TourScheduled(created_by=author):
            kind = ActivityType.TOUR_SCHEDULED if author else ActivityType.TOUR_BOOKED
            return TourLine(kind, f"{event.tour_type.value} tour on {_local_time(event)}", author)
        case TourRescheduled(rescheduled_by=author):
            description = f"Tour moved to {_local_time(event)}"
            return TourLine(ActivityType.TOUR_RESCHEDULED, description, author)
        case TourConfirmed(confirmed_by=author):
            return TourLine(ActivityType.TOUR_CONFIRMED, "Tour confirmed", author)
        case TourCompleted(completed_by=author):
            return TourLine(ActivityType.TOUR_COMPLETED, "Tour completed", author)
        case TourCancelled(cancelled_by=author):
            return TourLine(ActivityType.TOUR_CANCELLED, "Tour cancelled", author)
        case TourNoShowRecorded(recorded_by=author):
            return TourLine(ActivityType.TOUR_NO_SHOW, "Nobody came", author)
        case TourNoShowCorrected(corrected_by=author):
            description = f"The no-show was a mistake: the tour is {event.status.value}"
            return TourLine(ActivityType.STATUS_CHANGE, description, author)
        case _ as unreachable:
            assert_never(unreachable)


def _local_time(event: TourScheduled | TourRescheduled) -> str:
    return f"{event.tour_date.isoformat()} at {event.tour_time.isoformat('minutes')}"
