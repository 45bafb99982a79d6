"""The decider of a person's requests: its data is exported, or wrong details are corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.leads import LeadUpdated
from events.privacy import ExportFormat, LeadExported, LeadRectified
from events.record import Stream
from services.deciders import leads
from services.deciders.decider import Decider, UnknownSubject
from services.deciders.leads import Lead, UpdateLead


@dataclass(frozen=True, slots=True)
class RecordExport:
    """Record that the data of the person was exported."""

    lead_id: UUID
    format: ExportFormat
    reason: str | None = None
    exported_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class RectifyLead:
    """Correct details; null empties one. `email_owner` is the lead with the new e-mail, if any."""

    lead_id: UUID
    changes: Mapping[str, Any]
    reason: str
    rectified_by: UUID | None = None
    email_owner: UUID | None = None


Command: TypeAlias = RecordExport | RectifyLead


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("lead", command.lead_id)]


def decide(command: Command, state: Lead) -> list[Event]:
    if not state.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    match command:
        case RecordExport():
            return [LeadExported(
                lead_id=command.lead_id, format=command.format, reason=command.reason,
                exported_by=command.exported_by,
            )]  # fmt: skip
        case RectifyLead():
            return _rectify(command, state)
        case _:
            assert_never(command)


def _rectify(command: RectifyLead, state: Lead) -> list[Event]:
    """Return the update of the details that differ, and the record of the request."""
    changes = {
        name: value for name, value in command.changes.items() if state.details.get(name) != value
    }
    updated = leads.decide(
        UpdateLead(command.lead_id, changes, command.rectified_by, command.email_owner), state
    )
    if not any(isinstance(event, LeadUpdated) for event in updated):
        return []
    return [*updated, LeadRectified(
        lead_id=command.lead_id, fields=tuple(sorted(changes)), reason=command.reason,
        rectified_by=command.rectified_by,
    )]  # fmt: skip


decider: Decider[Command, Lead] = Decider(
    "lead", (RecordExport, RectifyLead), streams, Lead(), leads.evolve, decide
)
