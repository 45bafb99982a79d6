"""The decider of tour outcomes: confirmed, completed, cancelled or a no-show."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.tours import (
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourStatus,
)
from services.deciders import leads, tours
from services.deciders.decider import Decider, Refused
from services.deciders.tours import (
    LIVE,
    Tour,
    TourCommand,
    change_lead_status,
    require_status,
    require_tour,
)


@dataclass(frozen=True, slots=True)
class ConfirmTour(TourCommand):
    """Record that the lead confirmed its attendance."""

    confirmed_by: UUID | None = None
    send_notification: bool = False


@dataclass(frozen=True, slots=True)
class CompleteTour(TourCommand):
    """Record at the instant `at` that the tour took place."""

    completed_by: UUID | None = None
    at: datetime = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class CancelTour(TourCommand):
    """Cancel the tour."""

    reason: str | None = None
    cancelled_by: UUID | None = None
    send_notification: bool = False


@dataclass(frozen=True, slots=True)
class RecordNoShow(TourCommand):
    """Record at the instant `at` that the lead did not come."""

    recorded_by: UUID | None = None
    at: datetime = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class CorrectNoShow(TourCommand):
    """Undo a no-show; a `status` of None restores the status before it."""

    status: TourStatus | None = None
    reason: str | None = None
    corrected_by: UUID | None = None


Command: TypeAlias = ConfirmTour | CompleteTour | CancelTour | RecordNoShow | CorrectNoShow


def decide(command: Command, state: Tour) -> list[Event]:
    require_tour(command, state)
    match command:
        case ConfirmTour():
            return _confirm(command, state)
        case CompleteTour():
            return _complete(command, state)
        case CancelTour():
            return _cancel(command, state)
        case RecordNoShow():
            return _record_no_show(command, state)
        case CorrectNoShow():
            return _correct_no_show(command, state)
        case _:
            assert_never(command)


def _confirm(command: ConfirmTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.CONFIRMED:
        return []
    require_status(state, (TourStatus.SCHEDULED,), "confirmed")
    return [TourConfirmed(
        tour_id=command.tour_id, lead_id=command.owner, confirmed_by=command.confirmed_by,
        send_notification=command.send_notification,
    )]  # fmt: skip


def _complete(command: CompleteTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.COMPLETED:
        return []
    require_status(state, LIVE, "completed")
    _require_begun(state, command.at, "completed")
    completed = TourCompleted(
        tour_id=command.tour_id, lead_id=command.owner, completed_by=command.completed_by
    )
    status, changed_by = leads.status_after_tour(state.lead), command.completed_by
    return [
        completed,
        *change_lead_status(state, command.lead_id, status, "tour completed", changed_by),
    ]


def _cancel(command: CancelTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.CANCELLED:
        return []
    require_status(state, LIVE, "cancelled")
    return [TourCancelled(
        tour_id=command.tour_id, lead_id=command.owner, reason=command.reason,
        cancelled_by=command.cancelled_by, send_notification=command.send_notification,
    )]  # fmt: skip


def _record_no_show(command: RecordNoShow, state: Tour) -> list[Event]:
    if state.status is TourStatus.NO_SHOW:
        return []
    require_status(state, LIVE, "a no-show")
    _require_begun(state, command.at, "a no-show")
    return [TourNoShowRecorded(
        tour_id=command.tour_id, lead_id=command.owner, recorded_by=command.recorded_by
    )]  # fmt: skip


def _require_begun(state: Tour, at: datetime, action: str) -> None:
    """Raise `Refused` if the tour begins after `at`: nobody can know yet what becomes of it."""
    if state.starts_at is not None and state.starts_at > at:
        raise Refused(
            "tour_in_future",
            f"the tour begins at {state.starts_at:%Y-%m-%d %H:%M} UTC: before that it cannot be "
            f"{action}; cancel it or move it instead",
        )


def _correct_no_show(command: CorrectNoShow, state: Tour) -> list[Event]:
    require_status(state, (TourStatus.NO_SHOW,), "corrected")
    status = command.status or state.before
    return [TourNoShowCorrected(
        tour_id=command.tour_id, lead_id=command.owner,
        status=status,  # type: ignore[arg-type]  # the event refuses a status that is none of three
        reason=command.reason, corrected_by=command.corrected_by,
    )]  # fmt: skip


decider: Decider[Command, Tour] = Decider(
    "tour", (ConfirmTour, CompleteTour, CancelTour, RecordNoShow, CorrectNoShow),
    tours.streams, Tour(), tours.evolve, decide,
)  # fmt: skip
