"""Changes of scoring inputs by events, except engagements: contact details, source and tours."""

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
from projections.scoring.inputs import ScoringInputs, remove_engagement

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


def initial_inputs(event: LeadArrived, at: int) -> ScoringInputs:
    """Return the inputs of a new lead; `at` is the instant of its event in microseconds."""
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


def _set_tour_status(inputs: ScoringInputs, event: Any, at: int) -> None:
    status = TOUR_STATUS[type(event)]
    missed_at = at if status is TourStatus.NO_SHOW else None
    inputs["tours"][str(event.tour_id)] = [status.value, missed_at]


def _correct_no_show(inputs: ScoringInputs, event: TourNoShowCorrected, _at: int) -> None:
    _, missed_at = inputs["tours"].get(str(event.tour_id), (None, None))
    if isinstance(missed_at, int):
        remove_engagement(inputs, missed_at, ENGAGEMENT_WEIGHTS[EngagementType.TOUR_NO_SHOW])
    inputs["tours"][str(event.tour_id)] = [event.status.value, None]


def _update_lead(inputs: ScoringInputs, event: LeadUpdated, _at: int) -> None:
    changes = event.changes
    inputs["source"] = changes.get("source", inputs["source"])
    for name, flag in FLAGS.items():
        if changes.get(flag) is not None:
            inputs[name] = changes[flag]  # type: ignore[literal-required]


INPUT_CHANGES: dict[type[Event], Callable[[ScoringInputs, Any, int], None]] = {
    **dict.fromkeys(TOUR_STATUS, _set_tour_status),
    TourNoShowCorrected: _correct_no_show,
    LeadUpdated: _update_lead,
}
"""Event class → a function that changes the inputs of the lead; the number is the instant."""
