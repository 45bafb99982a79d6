"""The decider of leads: captured, updated, moved on to the next status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.leads import (
    ContactChannel,
    LeadAdopted,
    LeadAssigned,
    LeadCaptured,
    LeadContacted,
    LeadErased,
    LeadImported,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUpdated,
    LeadZoneSet,
)
from events.merges import LeadMerged, LeadUnmerged
from events.record import Stream
from events.restrictions import LeadRestricted, LeadRestrictionLifted
from services.deciders.contacts import contact_keys
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.local_time import load_zone

OTHER_DETAILS = "A visitor who is not known to be this person gave other details:"


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
    """Create a lead, or update `existing_lead` if the details belong to one.

    With `fills_only`, details that the existing lead has stay as they are. Other values for them
    become a note, which begins with `others_title`.
    """

    lead_id: UUID
    details: Details
    existing_lead: UUID | None = None
    session_id: UUID | None = None
    captured_by: UUID | None = None
    note: str | None = None
    fills_only: bool = False
    others_title: str = OTHER_DETAILS


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
class AssignLead:
    """Make an agent responsible for a lead; None if nobody is."""

    lead_id: UUID
    agent_id: UUID | None
    assigned_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class NoteLead:
    """Add a note about a lead."""

    lead_id: UUID
    note: str
    noted_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class SetLeadZone:
    """State the time zone in which the lead lives; None if it is unknown again."""

    lead_id: UUID
    zone: str | None
    set_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ContactLead:
    """Record that the property contacted a lead."""

    lead_id: UUID
    channel: ContactChannel
    contacted_by: UUID | None = None


Command: TypeAlias = (
    CaptureLead | UpdateLead | ChangeStatus | AssignLead | NoteLead | SetLeadZone | ContactLead
)


@dataclass(frozen=True, slots=True)
class Lead:
    """The state of a lead; `filled` are the details that the winner of a merge took from it."""

    exists: bool = False
    status: LeadStatus = LeadStatus.NEW
    details: Mapping[str, Any] = field(default_factory=dict)
    merged_into: UUID | None = None
    filled: tuple[str, ...] = ()
    is_restricted: bool = False
    is_erased: bool = False


ZONE = "time_zone"
"""The detail with the lead's time zone, which `lead.zone_set` changes and no other event."""
AGENT = "assigned_agent_id"
"""The detail with the assigned agent, which `lead.assigned` changes and no other event."""
DETAILS = tuple(field.name for field in fields(Details))
MAX_NOTE_LENGTH = 20_000
LABELS = {
    "first_name": "First name",
    "last_name": "Last name",
    "email": "E-mail",
    "phone": "Phone",
    "move_in_date": "Move-in",
    "bedrooms": "Bedrooms",
    "notes": "Notes",
}
"""Detail → its name in a note."""
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
        case LeadZoneSet():
            return replace(state, details={**state.details, ZONE: event.lead_zone})
        case LeadAssigned():
            return replace(state, details={**state.details, AGENT: event.assigned_agent_id})
        case LeadErased():
            return replace(state, details={}, is_restricted=True, is_erased=True)
        case LeadMerged():
            return replace(state, merged_into=event.winner_id, filled=event.filled)
        case LeadUnmerged():
            return replace(state, merged_into=None, filled=())
        case LeadRestricted():
            return replace(state, is_restricted=True)
        case LeadRestrictionLifted():
            return replace(state, is_restricted=False)
        case _:
            return state


def decide(command: Command, state: Lead) -> list[Event]:
    if not (state.exists or isinstance(command, CaptureLead)):
        raise UnknownSubject(Stream("lead", command.lead_id))
    require_not_erased(command.lead_id, state)
    match command:
        case CaptureLead():
            return _capture(command, state)
        case UpdateLead():
            return _update(command, state)
        case ChangeStatus():
            return _change_status(command, state)
        case AssignLead():
            if state.details.get(AGENT) == command.agent_id:
                return []
            return [LeadAssigned(
                lead_id=command.lead_id, assigned_agent_id=command.agent_id,
                assigned_by=command.assigned_by,
            )]  # fmt: skip
        case SetLeadZone():
            return _set_zone(command, state)
        case NoteLead():
            return [LeadNoted(
                lead_id=command.lead_id, note=command.note, noted_by=command.noted_by
            )]  # fmt: skip
        case ContactLead():
            return [LeadContacted(
                lead_id=command.lead_id, channel=command.channel, contacted_by=command.contacted_by
            )]  # fmt: skip
        case _:
            assert_never(command)


def require_not_erased(lead_id: UUID, lead: Lead) -> None:
    """Raise `Refused` for an erased lead: what comes later belongs to a new one."""
    if lead.is_erased:
        raise Refused("lead_erased", f"the personal data of lead {lead_id} was erased", 409)


def _update(command: UpdateLead, state: Lead) -> list[Event]:
    if command.email_owner not in (None, command.lead_id):
        raise email_taken_error(command.email_owner)
    if all(state.details.get(name) == value for name, value in command.changes.items()):
        return []
    return [_updated(command.lead_id, command.changes, command.updated_by)]


def _set_zone(command: SetLeadZone, state: Lead) -> list[Event]:
    """Raise `Refused` for a zone that does not exist: it is never guessed."""
    if state.details.get(ZONE) == command.zone:
        return []
    if command.zone is not None:
        load_zone(command.zone)
    return [LeadZoneSet(lead_id=command.lead_id, lead_zone=command.zone, set_by=command.set_by)]


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
            captured_by=command.captured_by, **details, **contact_keys(details),
        )  # fmt: skip
        return [captured, *_note(command, command.lead_id, {})]
    if not state.exists:
        raise UnknownSubject(Stream("lead", command.existing_lead))
    # The source is that of the first contact. It never changes.
    details.pop("source", None)
    if details.get("email") and state.details.get("email"):
        # The same address in another spelling, or that of a lead that was merged into this one.
        del details["email"]
    changes = {name: value for name, value in details.items() if state.details.get(name) != value}
    others: dict[str, Any] = {}
    if command.fills_only:
        others = {name: value for name, value in changes.items() if state.details.get(name)}
        changes = {name: value for name, value in changes.items() if name not in others}
    updated: list[Event] = (
        [_updated(command.existing_lead, changes, command.captured_by)] if changes else []
    )
    return updated + _note(command, command.existing_lead, others)


def _note(command: CaptureLead, lead_id: UUID, others: Mapping[str, Any]) -> list[Event]:
    """Return the note of the command and of the values that differ from those of the lead."""
    lines = [command.note] if command.note else []
    if others:
        lines.append(command.others_title)
        lines += [f"{LABELS[name]}: {value}" for name, value in others.items()]
    if not lines:
        return []
    text = "\n".join(lines)[:MAX_NOTE_LENGTH]
    return [LeadNoted(lead_id=lead_id, note=text, noted_by=command.captured_by)]


def _updated(lead_id: UUID, changes: Mapping[str, Any], updated_by: UUID | None) -> LeadUpdated:
    return LeadUpdated(lead_id=lead_id, updated_by=updated_by, **changes, **contact_keys(changes))


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
    "lead", (CaptureLead, UpdateLead, ChangeStatus, AssignLead, NoteLead, SetLeadZone, ContactLead),
    streams, Lead(), evolve, decide,
)  # fmt: skip
