"""Leads: captured once per e-mail and property, kept up to date, moved on towards a lease."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.claims import value_of
from events.event import Event
from events.leads import (
    LeadAdopted,
    LeadCaptured,
    LeadErased,
    LeadImported,
    LeadMerged,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUnmerged,
    LeadUpdated,
)
from events.record import Stream
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.fields import without_nulls


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of a person, normalised (`contacts`); None is not known."""

    source: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    move_in_date: date | None = None
    bedrooms: str | None = None
    notes: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is not empty, by field."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class CaptureLead:
    """Somebody left a way to be reached. `known` is the lead it turned out to be, if any."""

    lead_id: UUID
    details: Details
    known: UUID | None = None
    session_id: UUID | None = None
    captured_by: UUID | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateLead:
    """Change details: null empties. `email_owner` has the new e-mail, if somebody has."""

    lead_id: UUID
    changes: Mapping[str, Any]
    updated_by: UUID | None = None
    email_owner: UUID | None = None


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """Move a lead on."""

    lead_id: UUID
    status: LeadStatus
    reason: str | None = None
    changed_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class NoteLead:
    """Write a note about a lead."""

    lead_id: UUID
    note: str
    noted_by: UUID | None = None


Command: TypeAlias = CaptureLead | UpdateLead | ChangeStatus | NoteLead


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead as far as decisions need it; `filled` are the details its winner has from it."""

    exists: bool = False
    status: LeadStatus = LeadStatus.NEW
    details: Mapping[str, Any] = field(default_factory=dict)
    merged_into: UUID | None = None
    filled: tuple[str, ...] = ()


DETAILS = tuple(each.name for each in fields(Details))
PERSONAL = ("first_name", "last_name", "email", "phone", "notes")


def streams(command: Command) -> Sequence[Stream]:
    owner = command.known if isinstance(command, CaptureLead) else None
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
                raise known_elsewhere(command.email_owner)
            if all(state.details.get(name) == value for name, value in command.changes.items()):
                return []
            return [_updated(command.lead_id, command.changes, command.updated_by)]
        case ChangeStatus():
            return _move(command, state)
        case NoteLead():
            said = {"lead_id": command.lead_id, "note": command.note}
            return [LeadNoted.model_validate(said | without_nulls(noted_by=command.noted_by))]
        case _:
            assert_never(command)


def known_elsewhere(owner: UUID | None) -> Refused:
    return Refused(
        "known_lead", "this e-mail address belongs to another lead", 409, {"leadId": str(owner)}
    )


def status_after_booking(lead: Lead) -> LeadStatus | None:
    """What a booked tour makes of a lead; None where it changes nothing."""
    return LeadStatus.TOUR_BOOKED if lead.status in _BEFORE_TOUR else None


def status_after_tour(lead: Lead) -> LeadStatus | None:
    """What a completed tour makes of a lead; None where it changes nothing."""
    before = (*_BEFORE_TOUR, LeadStatus.TOUR_BOOKED)
    return LeadStatus.TOURED if lead.status in before else None


_BEFORE_TOUR = (LeadStatus.NEW, LeadStatus.CONTACTED)


def _capture(command: CaptureLead, state: Lead) -> list[Event]:
    given = command.details.given
    if command.known is None:
        if state.exists:
            if all(state.details.get(name) == value for name, value in given.items()):
                return []
            raise Refused("id_reused", f"lead {command.lead_id} is there already", 422)
        said = {"lead_id": command.lead_id, "status": LeadStatus.NEW, **given}
        told = said | without_nulls(session_id=command.session_id, captured_by=command.captured_by)
        return [LeadCaptured.model_validate(told), *_note(command, command.lead_id)]
    if not state.exists:
        raise UnknownSubject(Stream("lead", command.known))
    given.pop("source", None)
    if _is_known_by_another(state, given.get("email")):
        del given["email"]
    news = {name: value for name, value in given.items() if state.details.get(name) != value}
    changed: list[Event] = [_updated(command.known, news, command.captured_by)] if news else []
    return changed + _note(command, command.known)


def _is_known_by_another(state: Lead, email: str | None) -> bool:
    """Is this e-mail address of a lead that was merged into this one, which has its own?"""
    held = state.details.get("email")
    return bool(email and held) and value_of(str(email)) != value_of(str(held))


def _note(command: CaptureLead, lead_id: UUID) -> list[Event]:
    if not command.note:
        return []
    said = {"lead_id": lead_id, "note": command.note}
    return [LeadNoted.model_validate(said | without_nulls(noted_by=command.captured_by))]


def _updated(lead_id: UUID, changes: Mapping[str, Any], updated_by: UUID | None) -> LeadUpdated:
    said = {"lead_id": lead_id, **changes}
    return LeadUpdated.model_validate(said | without_nulls(updated_by=updated_by))


def _move(command: ChangeStatus, state: Lead) -> list[Event]:
    if command.status is state.status:
        return []
    if state.status is LeadStatus.LEASED:
        raise Refused("leased", "a lead that has leased stays leased")
    said = {
        "lead_id": command.lead_id,
        "status": command.status,
        "previous_status": state.status,
    }
    told = said | without_nulls(reason=command.reason, changed_by=command.changed_by)
    return [LeadStatusChanged.model_validate(told)]


decider: Decider[Command, Lead] = Decider(
    (CaptureLead, UpdateLead, ChangeStatus, NoteLead), streams, Lead(), evolve, decide
)
