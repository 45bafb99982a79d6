"""Tours: booked for a local time in the property's zone, moved, held, missed or called off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.leads import LeadStatus, LeadStatusChanged
from events.record import Stream
from events.tours import (
    TourAmended,
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
    TourStatus,
    TourType,
)
from services.deciders import leads
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.leads import Lead
from services.deciders.localtime import instant_of


@dataclass(frozen=True, slots=True)
class When:
    """A time on the wall clock of the property's zone; `fold` 1 is the second of two equal ones."""

    tour_date: date
    tour_time: time
    time_zone: str
    fold: int = 0
    duration_minutes: int = 30

    @property
    def instant(self) -> datetime:
        """Raises `Refused`."""
        return instant_of(self.tour_date, self.tour_time, self.time_zone, self.fold)

    @property
    def said(self) -> dict[str, Any]:
        """As events say it. Raises `Refused`."""
        return {
            "tour_date": self.tour_date,
            "tour_time": self.tour_time,
            "time_zone": self.time_zone,
            "fold": self.fold,
            "starts_at": self.instant,
            "duration_minutes": self.duration_minutes,
        }


@dataclass(frozen=True, slots=True)
class _Command:
    tour_id: UUID
    lead_id: UUID


@dataclass(frozen=True, slots=True)
class ScheduleTour(_Command):
    """Book a tour; `at` is now: what lies before it cannot be booked any more."""

    at: datetime
    when: When
    source: str
    tour_type: TourType = TourType.IN_PERSON
    notes: str | None = None
    assigned_agent_id: UUID | None = None
    created_by: UUID | None = None
    slot_id: UUID | None = None
    send_confirmation: bool = True


@dataclass(frozen=True, slots=True)
class RescheduleTour(_Command):
    """Move a tour; `at` is now."""

    at: datetime
    when: When
    reason: str | None = None
    rescheduled_by: UUID | None = None
    slot_id: UUID | None = None
    send_notification: bool = False


@dataclass(frozen=True, slots=True)
class AmendTour(_Command):
    """Change what does not move the tour: `tour_type`, `notes`, `assigned_agent_id`."""

    changes: Mapping[str, Any]
    amended_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ConfirmTour(_Command):
    """The lead said that it will come."""

    confirmed_by: UUID | None = None
    send_notification: bool = False


@dataclass(frozen=True, slots=True)
class CompleteTour(_Command):
    """The tour took place."""

    completed_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class CancelTour(_Command):
    """The tour will not take place."""

    reason: str | None = None
    cancelled_by: UUID | None = None
    send_notification: bool = False


@dataclass(frozen=True, slots=True)
class RecordNoShow(_Command):
    """Nobody came."""

    recorded_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class CorrectNoShow(_Command):
    """They did come, or it was too early to say: None gives back the status it had."""

    status: TourStatus | None = None
    reason: str | None = None
    corrected_by: UUID | None = None


Command: TypeAlias = (
    ScheduleTour | RescheduleTour | AmendTour | ConfirmTour | CompleteTour | CancelTour
    | RecordNoShow | CorrectNoShow
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tour:
    """A tour and its lead, as far as decisions need them; `before` is that of a no-show."""

    lead_id: UUID | None = None
    status: TourStatus = TourStatus.SCHEDULED
    before: TourStatus = TourStatus.SCHEDULED
    revision: int = 1
    starts_at: datetime | None = None
    duration_minutes: int = 30
    details: Mapping[str, Any] = field(default_factory=dict)
    lead: Lead = field(default_factory=Lead)


LIVE = (TourStatus.SCHEDULED, TourStatus.CONFIRMED)


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("tour", command.tour_id), Stream("lead", command.lead_id)]


def evolve(state: Tour, event: Event) -> Tour:
    match event:
        case TourScheduled():
            details = {name: getattr(event, name) for name in _AMENDABLE}
            return replace(
                state, lead_id=event.lead_id, starts_at=event.starts_at, details=details,
                duration_minutes=event.duration_minutes,
            )  # fmt: skip
        case TourRescheduled():
            return replace(
                state, status=TourStatus.SCHEDULED, revision=event.revision,
                starts_at=event.starts_at, duration_minutes=event.duration_minutes,
            )  # fmt: skip
        case TourAmended():
            return replace(state, details={**state.details, **event.changes})
        case TourConfirmed():
            return replace(state, status=TourStatus.CONFIRMED)
        case TourCompleted():
            return replace(state, status=TourStatus.COMPLETED)
        case TourCancelled():
            return replace(state, status=TourStatus.CANCELLED)
        case TourNoShowRecorded():
            return replace(state, status=TourStatus.NO_SHOW, before=state.status)
        case TourNoShowCorrected():
            return replace(state, status=event.status)
        case _:
            return replace(state, lead=leads.evolve(state.lead, event))


def decide(command: Command, state: Tour) -> list[Event]:
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if isinstance(command, ScheduleTour):
        return _schedule(command, state)
    if state.lead_id is None:
        raise UnknownSubject(Stream("tour", command.tour_id))
    if state.lead_id != command.lead_id:
        raise Refused("not_this_lead", f"tour {command.tour_id} is not one of this lead's", 404)
    match command:
        case RescheduleTour():
            return _reschedule(command, state)
        case AmendTour():
            return _amend(command, state)
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


_AMENDABLE = ("tour_type", "notes", "assigned_agent_id")


def _schedule(command: ScheduleTour, state: Tour) -> list[Event]:
    starts_at = command.when.instant
    if state.lead_id is not None:
        if (state.lead_id, state.starts_at) == (command.lead_id, starts_at):
            return []
        raise Refused("id_reused", f"tour {command.tour_id} is there already", 422)
    if starts_at <= command.at:
        raise Refused("tour_in_past", "a tour cannot be booked for a time that has passed", 400)
    scheduled = TourScheduled.model_validate(_said(
        command, **command.when.said, source=command.source, tour_type=command.tour_type,
        notes=command.notes, assigned_agent_id=command.assigned_agent_id,
        created_by=command.created_by, slot_id=command.slot_id,
        send_confirmation=command.send_confirmation,
    ))  # fmt: skip
    return [scheduled, *_lead_moves(state, command.lead_id, leads.status_after_booking(state.lead),
                                    "tour booked", command.created_by)]  # fmt: skip


def _reschedule(command: RescheduleTour, state: Tour) -> list[Event]:
    starts_at = command.when.instant
    if (starts_at, command.when.duration_minutes) == (state.starts_at, state.duration_minutes):
        return []
    _demand(state, LIVE, "moved")
    if starts_at <= command.at:
        raise Refused("tour_in_past", "a tour cannot be moved to a time that has passed", 400)
    return [TourRescheduled.model_validate(_said(
        command, revision=state.revision + 1, **command.when.said, reason=command.reason,
        rescheduled_by=command.rescheduled_by, slot_id=command.slot_id,
        send_notification=command.send_notification or None))]  # fmt: skip


def _amend(command: AmendTour, state: Tour) -> list[Event]:
    if all(state.details.get(name) == new for name, new in command.changes.items()):
        return []
    said = _said(command, amended_by=command.amended_by)
    return [TourAmended.model_validate(said | dict(command.changes))]


def _confirm(command: ConfirmTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.CONFIRMED:
        return []
    _demand(state, (TourStatus.SCHEDULED,), "confirmed")
    said = _said(
        command,
        confirmed_by=command.confirmed_by,
        send_notification=command.send_notification or None,
    )
    return [TourConfirmed.model_validate(said)]


def _cancel(command: CancelTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.CANCELLED:
        return []
    _demand(state, LIVE, "cancelled")
    said = _said(
        command,
        reason=command.reason,
        cancelled_by=command.cancelled_by,
        send_notification=command.send_notification or None,
    )
    return [TourCancelled.model_validate(said)]


def _miss(command: RecordNoShow, state: Tour) -> list[Event]:
    if state.status is TourStatus.NO_SHOW:
        return []
    _demand(state, LIVE, "a no-show")
    said = _said(command, recorded_by=command.recorded_by)
    return [TourNoShowRecorded.model_validate(said)]


def _correct(command: CorrectNoShow, state: Tour) -> list[Event]:
    _demand(state, (TourStatus.NO_SHOW,), "corrected")
    said = _said(
        command,
        status=command.status or state.before,
        reason=command.reason,
        corrected_by=command.corrected_by,
    )
    return [TourNoShowCorrected.model_validate(said)]


def _complete(command: CompleteTour, state: Tour) -> list[Event]:
    if state.status is TourStatus.COMPLETED:
        return []
    _demand(state, LIVE, "completed")
    done = TourCompleted.model_validate(_said(command, completed_by=command.completed_by))
    return [done, *_lead_moves(state, command.lead_id, leads.status_after_tour(state.lead),
                               "tour completed", command.completed_by)]  # fmt: skip


def _lead_moves(
    state: Tour, lead_id: UUID, status: LeadStatus | None, reason: str, by: UUID | None
) -> list[Event]:
    if status is None:
        return []
    said = {"lead_id": lead_id, "status": status, "previous_status": state.lead.status,
            "reason": reason}  # fmt: skip
    if by is not None:
        said["changed_by"] = by
    return [LeadStatusChanged.model_validate(said)]


def _demand(state: Tour, allowed: tuple[TourStatus, ...], wanted: str) -> None:
    if state.status not in allowed:
        raise Refused("tour_state", f"a {state.status} tour cannot be {wanted}")


def _said(command: _Command, **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"tour_id": command.tour_id, "lead_id": command.lead_id}
    return said | {name: value for name, value in more.items() if value is not None}


decider: Decider[Command, Tour] = Decider(
    (ScheduleTour, RescheduleTour, AmendTour, ConfirmTour, CompleteTour, CancelTour,
     RecordNoShow, CorrectNoShow),
    streams, Tour(), evolve, decide,
)  # fmt: skip
