"""Occurrences in a lead's history that end a run or that a run waits for."""

from enum import StrEnum
from uuid import UUID

from events.consents import ConsentWithdrawn
from events.conversations import ConversationMessageReceived
from events.engagements import EngagementRecorded, EngagementType
from events.event import Event
from events.tours import TourCancelled, TourCompleted, TourNoShowRecorded, TourScheduled


class Occurrence(StrEnum):
    """An act of a lead, or a change of its tours, that matters for runs."""

    TOUR_BOOKED = "tour_booked"
    TOUR_CANCELLED = "tour_cancelled"
    TOUR_COMPLETED = "tour_completed"
    TOUR_NO_SHOW = "tour_no_show"
    REPLY_RECEIVED = "reply_received"
    OPT_OUT = "opt_out"
    APPLICATION_STARTED = "application_started"
    APPLICATION_SUBMITTED = "application_submitted"


OCCURRING: tuple[type[Event], ...] = (
    TourScheduled, TourCancelled, TourCompleted, TourNoShowRecorded, ConversationMessageReceived,
    ConsentWithdrawn, EngagementRecorded,
)  # fmt: skip
"""The event classes that `occurrence_of` can turn into an occurrence."""
_OUTCOMES = (TourCancelled, TourCompleted, TourNoShowRecorded)


def occurrence_of(event: Event, run_tour: UUID | None = None) -> Occurrence | None:
    """Return what an event means for the runs of its lead; None if nothing.

    For a run that a tour started (`run_tour`), the outcome of another tour means nothing.
    """
    if run_tour is not None and isinstance(event, _OUTCOMES) and event.tour_id != run_tour:
        return None
    match event:
        case TourScheduled():
            return Occurrence.TOUR_BOOKED
        case TourCancelled():
            return Occurrence.TOUR_CANCELLED
        case TourCompleted():
            return Occurrence.TOUR_COMPLETED
        case TourNoShowRecorded():
            return Occurrence.TOUR_NO_SHOW
        case ConversationMessageReceived():
            return Occurrence.REPLY_RECEIVED
        case ConsentWithdrawn():
            return Occurrence.OPT_OUT
        case EngagementRecorded(event_type=EngagementType.APPLICATION_STARTED):
            return Occurrence.APPLICATION_STARTED
        case EngagementRecorded(event_type=EngagementType.APPLICATION_SUBMITTED):
            return Occurrence.APPLICATION_SUBMITTED
        case _:
            return None
