"""Tours: what a booked tour has come to, and what decisions about tours have in common."""

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
from services.deciders.fields import without_nulls
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class TourCommand:
    """About one tour of one lead; `tour_lead` is whose the tour is, where that lead was merged
    into `lead_id`: what happens to the tour stays its own, what follows is the other's."""

    tour_id: UUID
    lead_id: UUID
    tour_lead: UUID | None = field(default=None, kw_only=True)

    @property
    def owner(self) -> UUID:
        return self.tour_lead or self.lead_id


@dataclass(frozen=True, slots=True)
class Tour:
    """A tour and its lead, as far as decisions need them; `before` is that of a no-show."""

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


def demand_lead(command: TourCommand, state: Tour) -> None:
    """Raises `UnknownSubject`."""
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))


def demand_tour(command: TourCommand, state: Tour) -> None:
    """Raises `Refused` where there is no such tour, or it is another lead's."""
    demand_lead(command, state)
    if state.lead_id is None:
        raise UnknownSubject(Stream("tour", command.tour_id))
    if state.lead_id != command.owner:
        raise Refused("not_this_lead", f"tour {command.tour_id} is not one of this lead's", 404)


def demand_status(state: Tour, allowed: tuple[TourStatus, ...], wanted: str) -> None:
    """Raises `Refused`."""
    if state.status not in allowed:
        raise Refused("tour_state", f"a {state.status} tour cannot be {wanted}")


def lead_moves(
    state: Tour, lead_id: UUID, status: LeadStatus | None, reason: str, by: UUID | None
) -> list[Event]:
    """The tour moves its lead on to `status`; None: it does not."""
    if status is None:
        return []
    said = {"lead_id": lead_id, "status": status, "previous_status": state.lead.status,
            "reason": reason}  # fmt: skip
    return [LeadStatusChanged.model_validate(said | without_nulls(changed_by=by))]


def told(command: TourCommand, **more: Any) -> dict[str, Any]:
    """The fields of an event about this tour; those of `more` that are null are left out."""
    return {"tour_id": command.tour_id, "lead_id": command.owner, **without_nulls(**more)}
