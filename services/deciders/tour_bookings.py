"""Bookings: a tour is given a time in the property's zone, moved to another, amended."""

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
    demand_lead,
    demand_status,
    demand_tour,
    lead_moves,
    told,
)


@dataclass(frozen=True, slots=True)
class ScheduleTour(TourCommand):
    """Book a tour; `at` is now: what lies before it cannot be booked any more.

    `agent_busy_with` is another tour the agent gives then; `hold_id` the hold that this booking
    makes good.
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


@dataclass(frozen=True, slots=True)
class RescheduleTour(TourCommand):
    """Move a tour; `at` is now. `agent_busy_with` is as for a booking."""

    at: datetime
    when: When
    reason: str | None = None
    rescheduled_by: UUID | None = None
    slot_id: UUID | None = None
    send_notification: bool = False
    agent_busy_with: UUID | None = None


@dataclass(frozen=True, slots=True)
class AmendTour(TourCommand):
    """Change what does not move the tour: `tour_type`, `notes`, `assigned_agent_id`."""

    changes: Mapping[str, Any]
    amended_by: UUID | None = None
    agent_busy_with: UUID | None = None


Command: TypeAlias = ScheduleTour | RescheduleTour | AmendTour


def decide(command: Command, state: Tour) -> list[Event]:
    match command:
        case ScheduleTour():
            demand_lead(command, state)
            return _schedule(command, state)
        case RescheduleTour():
            demand_tour(command, state)
            return _reschedule(command, state)
        case AmendTour():
            demand_tour(command, state)
            return _amend(command, state)
        case _:
            assert_never(command)


def _schedule(command: ScheduleTour, state: Tour) -> list[Event]:
    starts_at = command.when.instant
    if state.lead_id is not None:
        if (state.lead_id, state.starts_at) == (command.owner, starts_at):
            return []
        raise Refused("id_reused", f"tour {command.tour_id} is there already", 422)
    if starts_at <= command.at:
        raise Refused("tour_in_past", "a tour cannot be booked for a time that has passed", 400)
    _demand_agent(command.agent_busy_with)
    scheduled = TourScheduled.model_validate(told(
        command, **command.when.said, source=command.source, tour_type=command.tour_type,
        notes=command.notes, assigned_agent_id=command.assigned_agent_id,
        created_by=command.created_by, slot_id=command.slot_id,
        send_confirmation=command.send_confirmation,
    ))  # fmt: skip
    return [scheduled, *lead_moves(state, command.lead_id, leads.status_after_booking(state.lead),
                                   "tour booked", command.created_by)]  # fmt: skip


def _reschedule(command: RescheduleTour, state: Tour) -> list[Event]:
    starts_at = command.when.instant
    if (starts_at, command.when.duration_minutes) == (state.starts_at, state.duration_minutes):
        return []
    demand_status(state, LIVE, "moved")
    if starts_at <= command.at:
        raise Refused("tour_in_past", "a tour cannot be moved to a time that has passed", 400)
    _demand_agent(command.agent_busy_with)
    return [TourRescheduled.model_validate(told(
        command, revision=state.revision + 1, **command.when.said, reason=command.reason,
        rescheduled_by=command.rescheduled_by, slot_id=command.slot_id,
        send_notification=command.send_notification or None))]  # fmt: skip


def _amend(command: AmendTour, state: Tour) -> list[Event]:
    if all(state.details.get(name) == new for name, new in command.changes.items()):
        return []
    if command.changes.get("assigned_agent_id") and state.status in LIVE:
        _demand_agent(command.agent_busy_with)
    said = told(command, amended_by=command.amended_by)
    return [TourAmended.model_validate(said | dict(command.changes))]


def _demand_agent(busy_with: UUID | None) -> None:
    """Raises `Refused`."""
    if busy_with is not None:
        raise Refused("agent_busy", "this agent gives another tour at that time")


decider: Decider[Command, Tour] = Decider(
    (ScheduleTour, RescheduleTour, AmendTour), tours.streams, Tour(), tours.evolve, decide
)
