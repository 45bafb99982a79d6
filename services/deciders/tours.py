"""The state of a tour, and the checks that all commands about tours share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
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
)
from services.deciders import leads
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class TourCommand:
    """A command about one tour of one lead.

    `tour_lead` is the lead of the tour if it was merged into `lead_id`: the events of the tour keep
    that lead, the consequences (such as a new status) go to the surviving lead.
    """

    tour_id: UUID
    lead_id: UUID
    tour_lead: UUID | None = field(default=None, kw_only=True)

    @property
    def owner(self) -> UUID:
        return self.tour_lead or self.lead_id


@dataclass(frozen=True, slots=True)
class Tour:
    """The state of a tour and its lead; `before` is the status before a no-show."""

    lead_id: UUID | None = None
    status: TourStatus = TourStatus.SCHEDULED
    before: TourStatus = TourStatus.SCHEDULED
    revision: int = 1
    starts_at: datetime | None = None
    duration_minutes: int = 30
    slot_id: UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    lead: Lead = field(default_factory=Lead)


LIVE = (TourStatus.SCHEDULED, TourStatus.CONFIRMED)
AMENDABLE = ("tour_type", "notes", "assigned_agent_id")


def streams(command: TourCommand) -> Sequence[Stream]:
    return [Stream("tour", command.tour_id), Stream("lead", command.lead_id)]


def evolve(state: Tour, event: Event) -> Tour:
    match event:
        case TourScheduled():
            details = {name: getattr(event, name) for name in AMENDABLE}
            return replace(
                state, lead_id=event.lead_id, starts_at=event.starts_at, details=details,
                duration_minutes=event.duration_minutes, slot_id=event.slot_id,
            )  # fmt: skip
        case TourRescheduled():
            return replace(
                state, status=TourStatus.SCHEDULED, revision=event.revision,
                starts_at=event.starts_at, duration_minutes=event.duration_minutes,
                slot_id=event.slot_id,
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


def require_lead(command: TourCommand, state: Tour) -> None:
    """Raise `UnknownSubject` if the lead does not exist."""
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))


def require_tour(command: TourCommand, state: Tour) -> None:
    """Raise `Refused` if the tour does not exist, or belongs to another lead."""
    require_lead(command, state)
    if state.lead_id is None:
        raise UnknownSubject(Stream("tour", command.tour_id))
    if state.lead_id != command.owner:
        raise Refused("not_this_lead", f"tour {command.tour_id} does not belong to this lead", 404)


def require_status(state: Tour, allowed: tuple[TourStatus, ...], action: str) -> None:
    """Raise `Refused` if the tour has none of the allowed statuses; `action` is a participle."""
    if state.status not in allowed:
        raise Refused("tour_state", f"a {state.status} tour cannot be {action}")


def change_lead_status(
    state: Tour, lead_id: UUID, status: LeadStatus | None, reason: str, changed_by: UUID | None
) -> list[Event]:
    """Return the event by which the tour changes its lead's status; none if `status` is None."""
    if status is None:
        return []
    return [LeadStatusChanged(
        lead_id=lead_id, status=status, previous_status=state.lead.status, reason=reason,
        changed_by=changed_by,
    )]  # fmt: skip
