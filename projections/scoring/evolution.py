"""What events say about a lead besides its engagement: who it is, and what became of its tours."""

from collections.abc import Callable
from typing import Any

from events.engagements import ENGAGEMENT_WEIGHTS, EngagementType
from events.event import Event
from events.leads import LeadArrived, LeadUpdated
from events.tours import (
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
    TourStatus,
)
from projections.scoring.inputs import ScoringInputs, disengaged

TOUR_STATUS: dict[type[Event], TourStatus] = {
    TourScheduled: TourStatus.SCHEDULED,
    TourRescheduled: TourStatus.SCHEDULED,
    TourConfirmed: TourStatus.CONFIRMED,
    TourCompleted: TourStatus.COMPLETED,
    TourCancelled: TourStatus.CANCELLED,
    TourNoShowRecorded: TourStatus.NO_SHOW,
}
FLAGS = {
    "email": "has_email",
    "phone": "has_phone",
    "first_name": "has_first_name",
    "last_name": "has_last_name",
}


def first_known(event: LeadArrived, at: int) -> ScoringInputs:
    """The facts of a lead that has just arrived."""
    return {
        "created": at,
        "source": event.source,
        "email": event.has_email,
        "phone": event.has_phone,
        "first_name": event.has_first_name,
        "last_name": event.has_last_name,
        "window": [],
        "engagements": 0,
        "tours": {},
    }


def _toured(inputs: ScoringInputs, event: Any, at: int) -> None:
    status = TOUR_STATUS[type(event)]
    missed_at = at if status is TourStatus.NO_SHOW else None
    inputs["tours"][str(event.tour_id)] = [status.value, missed_at]


def _not_missed(inputs: ScoringInputs, event: TourNoShowCorrected, _at: int) -> None:
    _, missed_at = inputs["tours"].get(str(event.tour_id), (None, None))
    if isinstance(missed_at, int):
        disengaged(inputs, missed_at, ENGAGEMENT_WEIGHTS[EngagementType.TOUR_NO_SHOW])
    inputs["tours"][str(event.tour_id)] = [event.status.value, None]


def _updated(inputs: ScoringInputs, event: LeadUpdated, _at: int) -> None:
    changes = event.changes
    inputs["source"] = changes.get("source", inputs["source"])
    for recorded, flag in FLAGS.items():
        if changes.get(flag) is not None:
            inputs[recorded] = changes[flag]  # type: ignore[literal-required]


LEARN: dict[type[Event], Callable[[ScoringInputs, Any, int], None]] = {
    **dict.fromkeys(TOUR_STATUS, _toured),
    TourNoShowCorrected: _not_missed,
    LeadUpdated: _updated,
}
"""Kind of event → what it changes in the facts of its lead; the number is its instant."""
