"""Outcomes: a booked tour is confirmed, and then held, missed or called off."""

from dataclasses import dataclass
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
from services.deciders.decider import Decider
from services.deciders.tours import (
    LIVE,
    Tour,
    TourCommand,
    demand_status,
    demand_tour,
    lead_moves,
    told,
)


@dataclass(frozen=True, slots=True)
class ConfirmTour(TourCommand):
    """The lead said that it will come."""

    confirmed_by: UUID | None = None
    send_notification: bool = False


@dataclass(frozen=True, slots=True)
class CompleteTour(TourCommand):
    """The tour took place."""

    completed_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class CancelTour(TourCommand):
    """The tour will not take place."""

    reason: str | None = None
    cancelled_by: UUID | None = None
    send_notification: bool = False


@dataclass(frozen=True, slots=True)
class RecordNoShow(TourCommand):
    """Nobody came."""

    recorded_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class CorrectNoShow(TourCommand):
    """They did come, or it was too early to say: None gives back the status it had."""

    status: TourStatus | None = None
    reason: str | None = None
    corrected_by: UUID | None = None


Command: TypeAlias = ConfirmTour | CompleteTour | CancelTour | RecordNoShow | CorrectNoShow


def decide(command: Command, state: Tour) -> list[Event]:
    demand_tour(command, state)
    match command:
        case ConfirmTour():
            return _confirm(command, state)
        case CompleteTour():
            return _complete(command, state)
        case CancelTour():
            return _cancel(command, state)
        case RecordNoShow():
            return _miss(command, state)
        case CorrectNoShow():
            return _correct(command, state)
        case _:
            assert_never(command)


def _confirm(command: ConfirmTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.CONFIRMED:
        return []
    demand_status(state, (TourStatus.SCHEDULED,), "confirmed")
    said = told(
        command,
        confirmed_by=command.confirmed_by,
        send_notification=command.send_notification or None,
    )
    return [TourConfirmed.model_validate(said)]


def _complete(command: CompleteTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.COMPLETED:
        return []
    demand_status(state, LIVE, "completed")
    done = TourCompleted.model_validate(told(command, completed_by=command.completed_by))
    return [done, *lead_moves(state, command.lead_id, leads.status_after_tour(state.lead),
                              "tour completed", command.completed_by)]  # fmt: skip


def _cancel(command: CancelTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.CANCELLED:
        return []
    demand_status(state, LIVE, "cancelled")
    said = told(
        command,
        reason=command.reason,
        cancelled_by=command.cancelled_by,
        send_notification=command.send_notification or None,
    )
    return [TourCancelled.model_validate(said)]


def _miss(command: RecordNoShow, state: Tour) -> list[Event]:
    if state.status is TourStatus.NO_SHOW:
        return []
    demand_status(state, LIVE, "a no-show")
    said = told(command, recorded_by=command.recorded_by)
    return [TourNoShowRecorded.model_validate(said)]


def _correct(command: CorrectNoShow, state: Tour) -> list[Event]:
    demand_status(state, (TourStatus.NO_SHOW,), "corrected")
    said = told(
        command,
        status=command.status or state.before,
        reason=command.reason,
        corrected_by=command.corrected_by,
    )
    return [TourNoShowCorrected.model_validate(said)]


decider: Decider[Command, Tour] = Decider(
    (ConfirmTour, CompleteTour, CancelTour, RecordNoShow, CorrectNoShow),
    tours.streams, Tour(), tours.evolve, decide,
)  # fmt: skip
