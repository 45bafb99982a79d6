"""The decider of restrictions: the use of a lead's data is restricted, or allowed again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never
from uuid import UUID

from events.event import Event
from events.record import Stream
from events.restrictions import LeadRestricted, LeadRestrictionLifted
from services.deciders import leads
from services.deciders.decider import Decider, UnknownSubject
from services.deciders.leads import Lead

RESTRICTED = "restricted"
"""The code of what does not happen, or ends, because the lead is restricted."""
WHY_RESTRICTED = "the use of the lead's data is restricted"


@dataclass(frozen=True, slots=True)
class RestrictLead:
    """Restrict the use of the data of `survivor_id`, a lead that is not merged into another."""

    survivor_id: UUID
    reason: str
    restricted_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class LiftRestriction:
    """Allow the use of the data of `survivor_id` again."""

    survivor_id: UUID
    reason: str
    lifted_by: UUID | None = None


Command: TypeAlias = RestrictLead | LiftRestriction


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("lead", command.survivor_id)]


def decide(command: Command, state: Lead) -> list[Event]:
    if not state.exists:
        raise UnknownSubject(Stream("lead", command.survivor_id))
    leads.require_not_erased(command.survivor_id, state)
    match command:
        case RestrictLead():
            return change_restriction(
                command.survivor_id, state, True, command.reason, command.restricted_by
            )
        case LiftRestriction():
            return change_restriction(
                command.survivor_id, state, False, command.reason, command.lifted_by
            )
        case _:
            assert_never(command)


def change_restriction(
    lead_id: UUID, lead: Lead, is_restricted: bool, reason: str, by: UUID | None
) -> list[Event]:
    """Return the event that restricts a lead or ends its restriction; none if it is so already."""
    if lead.is_restricted is is_restricted:
        return []
    if is_restricted:
        return [LeadRestricted(lead_id=lead_id, reason=reason, restricted_by=by)]
    return [LeadRestrictionLifted(lead_id=lead_id, reason=reason, lifted_by=by)]


decider: Decider[Command, Lead] = Decider(
    "lead", (RestrictLead, LiftRestriction), streams, Lead(), leads.evolve, decide
)
