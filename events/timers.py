"""Timers: the rows with a due time that events set, move and remove.

A timer is derivable from the log, as a claim is. The append writes it in its own transaction, so
no run, tour or delivery can exist without the timer that moves it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

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
)
from events.event import Event
from events.runs import (
    RunCompleted,
    RunConverted,
    RunEnrolled,
    RunMoved,
    RunPaused,
    RunResumed,
    RunStepReached,
    RunStopped,
)
from events.tasks import TaskCreated, TaskDone, TaskDue
from events.tours import (
    TourCancelled,
    TourCompleted,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
)

NO_SHOW_DELAY = timedelta(hours=1)
"""Time after the end of a tour after which it is a no-show if nobody completed it."""


class TimerKind(StrEnum):
    """The entity that a timer moves."""

    RUN = "run"
    """The next step of a run is due, or its wait for an event has reached its limit."""
    TOUR = "tour"
    """A tour that nobody completed becomes a no-show."""
    DELIVERY = "delivery"
    """A message is to be handed over, or the lease of its hand-over has ended."""
    TASK = "task"
    """A task that nobody finished is due."""


class TimerChange(NamedTuple):
    """The new due time of a timer; None removes it."""

    kind: TimerKind
    entity_id: UUID
    due_at: datetime | None


TIMER_EVENTS: tuple[type[Event], ...] = (
    RunEnrolled, RunStepReached, RunResumed, RunMoved, RunPaused, RunStopped, RunConverted,
    RunCompleted, TourScheduled, TourRescheduled, TourCompleted, TourCancelled, TourNoShowRecorded,
    TourNoShowCorrected, DeliveryPlanned, DeliveryHeld, DeliveryClaimed, DeliveryReleased,
    DeliveryHandedOver, DeliverySkipped, DeliveryFailed, DeliveryUnknown, DeliveryDelivered,
    DeliveryReconciled, TaskCreated, TaskDue, TaskDone,
)  # fmt: skip
"""The classes of which `timer_change` is not None."""


def timer_change(event: Event) -> TimerChange | None:
    """Return how an event changes a timer, or None if it changes none."""
    match event:
        case RunEnrolled() | RunStepReached() | RunResumed() | RunMoved():
            return TimerChange(TimerKind.RUN, event.run_id, event.next_action_at)
        case RunPaused() | RunStopped() | RunConverted() | RunCompleted():
            return TimerChange(TimerKind.RUN, event.run_id, None)
        case TourScheduled() | TourRescheduled():
            end = event.starts_at + timedelta(minutes=event.duration_minutes)
            return TimerChange(TimerKind.TOUR, event.tour_id, end + NO_SHOW_DELAY)
        case TourCompleted() | TourCancelled() | TourNoShowRecorded() | TourNoShowCorrected():
            return TimerChange(TimerKind.TOUR, event.tour_id, None)
        case DeliveryPlanned():
            return TimerChange(TimerKind.DELIVERY, event.delivery_id, event.due_at)
        case DeliveryHeld():
            return TimerChange(TimerKind.DELIVERY, event.delivery_id, event.held_until)
        case DeliveryClaimed():
            return TimerChange(TimerKind.DELIVERY, event.delivery_id, event.lease_until)
        case DeliveryReleased():
            return TimerChange(TimerKind.DELIVERY, event.delivery_id, event.next_attempt_at)
        case (
            DeliveryHandedOver() | DeliverySkipped() | DeliveryFailed() | DeliveryUnknown()
            | DeliveryDelivered() | DeliveryReconciled()
        ):  # fmt: skip
            return TimerChange(TimerKind.DELIVERY, event.delivery_id, None)
        case TaskCreated():
            return TimerChange(TimerKind.TASK, event.task_id, event.due_at)
        case TaskDue() | TaskDone():
            return TimerChange(TimerKind.TASK, event.task_id, None)
        case _:
            return None
