"""The decider of tour bookings: a tour is scheduled, rescheduled or amended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.tours import TourAmended, TourRescheduled, TourScheduled, TourType
from services.deciders import leads, tours
from services.deciders.decider import Decider, Refused
from services.deciders.local_time import When
from services.deciders.tours import (
    LIVE,
    Tour,
    TourCommand,
    change_lead_status,
    require_lead,
    require_status,
    require_tour,
)


@dataclass(frozen=True, slots=True)
class ScheduleTour(TourCommand):
    """Book a tour; `at` is now, so an earlier time is refused.

    `agent_busy_with` is another tour of the agent at that time. `hold_id` is the hold that the
    booking replaces, `session_id` the session in which a visitor books.
    """

    at: datetime
    when: When
    source: str
    tour_type: TourType = TourType.IN_PERSON
    notes: str | None = None
    assigned_agent_id: UUID | None = None
    created_by: UUID | None = None
    slot_id: UUID | None = None
    send_confirmation: bool = True
    agent_busy_with: UUID | None = None
    hold_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RescheduleTour(TourCommand):
    """Move a tour to another time; `at` is now. `agent_busy_with` is as for a booking."""

    at: datetime
    when: When
    reason: str | None = None
    rescheduled_by: UUID | None = None
    slot_id: UUID | None = None
    send_notification: bool = False
    agent_busy_with: UUID | None = None


@dataclass(frozen=True, slots=True)
class AmendTour(TourCommand):
    """Change a tour but not its time: `tour_type`, `notes`, `assigned_agent_id`."""

    changes: Mapping[str, Any]
    amended_by: UUID | None = None
    agent_busy_with: UUID | None = None


Command: TypeAlias = ScheduleTour | RescheduleTour | AmendTour


def decide(command: Command, state: Tour) -> list[Event]:
    match command:
        case ScheduleTour():
            require_lead(command, state)
            return _schedule(command, state)
        case RescheduleTour():
            require_tour(command, state)
            return _reschedule(command, state)
        case AmendTour():
            require_tour(command, state)
            return _amend(command, state)
        case _:
            assert_never(command)


def _schedule(command: ScheduleTour, state: Tour) -> list[Event]:
    starts_at = command.when.instant
    if state.lead_id is not None:
        if (state.lead_id, state.starts_at) == (command.owner, starts_at):
            return []
        raise Refused("id_reused", f"tour {command.tour_id} exists with another lead or time", 422)
    if starts_at <= command.at:
        raise Refused("tour_in_past", "a tour cannot be booked for a time that has passed", 400)
    _require_agent(command.agent_busy_with)
    scheduled = TourScheduled(
        tour_id=command.tour_id, lead_id=command.owner, tour_date=command.when.tour_date,
        tour_time=command.when.tour_time, time_zone=command.when.time_zone, fold=command.when.fold,
        starts_at=starts_at, duration_minutes=command.when.duration_minutes,
        source=command.source, tour_type=command.tour_type, notes=command.notes,
        assigned_agent_id=command.assigned_agent_id, created_by=command.created_by,
        slot_id=command.slot_id, send_confirmation=command.send_confirmation,
    )  # fmt: skip
    status = leads.status_after_booking(state.lead)
    return [
        scheduled,
        *change_lead_status(state, command.lead_id, status, "tour booked", command.created_by),
    ]


def _reschedule(command: RescheduleTour, state: Tour) -> list[Event]:
    starts_at = command.when.instant
    if (starts_at, command.when.duration_minutes) == (state.starts_at, state.duration_minutes):
        return []
    require_status(state, LIVE, "moved")
    if starts_at <= command.at:
        raise Refused("tour_in_past", "a tour cannot be moved to a time that has passed", 400)
    _require_agent(command.agent_busy_with)
    return [TourRescheduled(
        tour_id=command.tour_id, lead_id=command.owner, revision=state.revision + 1,
        tour_date=command.when.tour_date, tour_time=command.when.tour_time,
        time_zone=command.when.time_zone, fold=command.when.fold, starts_at=starts_at,
        duration_minutes=command.when.duration_minutes, reason=command.reason,
        rescheduled_by=command.rescheduled_by, slot_id=command.slot_id,
        send_notification=command.send_notification,
    )]  # fmt: skip


def _amend(command: AmendTour, state: Tour) -> list[Event]:
    if all(state.details.get(name) == new for name, new in command.changes.items()):
        return []
    if command.changes.get("assigned_agent_id") and state.status in LIVE:
        _require_agent(command.agent_busy_with)
    return [TourAmended(
        tour_id=command.tour_id, lead_id=command.owner, amended_by=command.amended_by,
        **command.changes,
    )]  # fmt: skip


def _require_agent(busy_with: UUID | None) -> None:
    """Raise `Refused` if the agent has another tour at that time."""
    if busy_with is not None:
        raise Refused("agent_busy", "the agent has another tour at that time")


decider: Decider[Command, Tour] = Decider(
    "tour", (ScheduleTour, RescheduleTour, AmendTour), tours.streams, Tour(), tours.evolve, decide
)
