"""The decider of leads: captured, updated, moved on to the next status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.claims import claim_value
from events.event import Event
from events.leads import (
    LeadAdopted,
    LeadCaptured,
    LeadErased,
    LeadImported,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUpdated,
)
from events.merges import LeadMerged, LeadUnmerged
from events.record import Stream
from services.deciders.decider import Decider, Refused, UnknownSubject


@dataclass(frozen=True, slots=True)
class Details:
    """The details of a person, with e-mail and phone normalised; None is unknown."""

    source: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    move_in_date: date | None = None
    bedrooms: str | None = None
    notes: str | None = None

    @property
    def non_empty(self) -> dict[str, Any]:
        """Return field → value, without None and empty texts."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class CaptureLead:
    """Create a lead, or update `existing_lead` if the details belong to one."""

    lead_id: UUID
    details: Details
    existing_lead: UUID | None = None
    session_id: UUID | None = None
    captured_by: UUID | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateLead:
    """Change details; null empties one. `email_owner` is the lead with the new e-mail, if any."""

    lead_id: UUID
    changes: Mapping[str, Any]
    updated_by: UUID | None = None
    email_owner: UUID | None = None


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """Change the status of a lead."""

    lead_id: UUID
    status: LeadStatus
    reason: str | None = None
    changed_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class NoteLead:
    """Add a note about a lead."""

    lead_id: UUID
    note: str
    noted_by: UUID | None = None


Command: TypeAlias = CaptureLead | UpdateLead | ChangeStatus | NoteLead


@dataclass(frozen=True, slots=True)
class Lead:
    """The state of a lead; `filled` are the details that the winner of a merge took from it."""

    exists: bool = False
    status: LeadStatus = LeadStatus.NEW
    details: Mapping[str, Any] = field(default_factory=dict)
    merged_into: UUID | None = None
    filled: tuple[str, ...] = ()


DETAILS = tuple(field.name for field in fields(Details))
PERSONAL = ("first_name", "last_name", "email", "phone", "notes")
_BEFORE_TOUR = (LeadStatus.NEW, LeadStatus.CONTACTED)


def streams(command: Command) -> Sequence[Stream]:
    owner = command.existing_lead if isinstance(command, CaptureLead) else None
    return [Stream("lead", owner or command.lead_id)]


def evolve(state: Lead, event: Event) -> Lead:
    match event:
        case LeadCaptured() | LeadImported() | LeadAdopted():
            return Lead(True, event.status, {name: getattr(event, name) for name in DETAILS})
        case LeadUpdated():
            changes = {name: value for name, value in event.changes.items() if name in DETAILS}
            return replace(state, details={**state.details, **changes})
        case LeadStatusChanged():
            return replace(state, status=event.status)
        case LeadErased():
            return replace(state, details={**state.details, **dict.fromkeys(PERSONAL)})
        case LeadMerged():
            return replace(state, merged_into=event.winner_id, filled=event.filled)
        case LeadUnmerged():
            return replace(state, merged_into=None, filled=())
        case _:
            return state


def decide(command: Command, state: Lead) -> list[Event]:
    if not (state.exists or isinstance(command, CaptureLead)):
        raise UnknownSubject(Stream("lead", command.lead_id))
    match command:
        case CaptureLead():
            return _capture(command, state)
        case UpdateLead():
            if command.email_owner not in (None, command.lead_id):
                raise email_taken_error(command.email_owner)
            if all(state.details.get(name) == value for name, value in command.changes.items()):
                return []
            return [_updated(command.lead_id, command.changes, command.updated_by)]
        case ChangeStatus():
            return _change_status(command, state)
        case NoteLead():
            return [LeadNoted(
                lead_id=command.lead_id, note=command.note, noted_by=command.noted_by
            )]  # fmt: skip
        case _:
            assert_never(command)


def email_taken_error(owner: UUID | None) -> Refused:
    return Refused(
        "known_lead", "this e-mail address belongs to another lead", 409, {"leadId": str(owner)}
    )


def status_after_booking(lead: Lead) -> LeadStatus | None:
    """Return the status that a booked tour gives the lead; None if it stays as it is."""
    return LeadStatus.TOUR_BOOKED if lead.status in _BEFORE_TOUR else None


def status_after_tour(lead: Lead) -> LeadStatus | None:
    """Return the status that a completed tour gives the lead; None if it stays as it is."""
    before = (*_BEFORE_TOUR, LeadStatus.TOUR_BOOKED)
    return LeadStatus.TOURED if lead.status in before else None


def _capture(command: CaptureLead, state: Lead) -> list[Event]:
    details = command.details.non_empty
    if command.existing_lead is None:
        if state.exists:
            if all(state.details.get(name) == value for name, value in details.items()):
                return []
            raise Refused("id_reused", f"lead {command.lead_id} exists with other details", 422)
        captured = LeadCaptured(
            lead_id=command.lead_id, status=LeadStatus.NEW, session_id=command.session_id,
            captured_by=command.captured_by, **details,
        )  # fmt: skip
        return [captured, *_note(command, command.lead_id)]
    if not state.exists:
        raise UnknownSubject(Stream("lead", command.existing_lead))
    # The source is that of the first contact. It never changes.
    details.pop("source", None)
    if _has_another_email(state, details.get("email")):
        del details["email"]
    changes = {name: value for name, value in details.items() if state.details.get(name) != value}
    updated: list[Event] = (
        [_updated(command.existing_lead, changes, command.captured_by)] if changes else []
    )
    return updated + _note(command, command.existing_lead)


def _has_another_email(state: Lead, email: str | None) -> bool:
    """Return whether the lead has an e-mail address and `email` is another one.

    The other address belongs to a lead that was merged into this one.
    """
    current = state.details.get("email")
    return bool(email and current) and claim_value(str(email)) != claim_value(str(current))


def _note(command: CaptureLead, lead_id: UUID) -> list[Event]:
    if not command.note:
        return []
    return [LeadNoted(lead_id=lead_id, note=command.note, noted_by=command.captured_by)]


def _updated(lead_id: UUID, changes: Mapping[str, Any], updated_by: UUID | None) -> LeadUpdated:
    return LeadUpdated(lead_id=lead_id, updated_by=updated_by, **changes)


def _change_status(command: ChangeStatus, state: Lead) -> list[Event]:
    if command.status is state.status:
        return []
    if state.status is LeadStatus.LEASED:
        raise Refused("leased", "the status of a lead that has leased cannot be changed")
    return [LeadStatusChanged(
        lead_id=command.lead_id, status=command.status, previous_status=state.status,
        reason=command.reason, changed_by=command.changed_by,
    )]  # fmt: skip


decider: Decider[Command, Lead] = Decider(
    "lead", (CaptureLead, UpdateLead, ChangeStatus, NoteLead), streams, Lead(), evolve, decide
)
