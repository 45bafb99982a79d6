"""The decider of explanations: the reason of a change, recorded once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from events.event import Event
from events.explanations import ChangeExplained
from events.leads import LeadArrived
from events.record import Stream
from services.deciders.decider import Decider, UnknownSubject


@dataclass(frozen=True, slots=True)
class ExplainChange:
    """Record why an event of a lead was caused."""

    explanation_id: UUID
    lead_id: UUID
    explained_event_id: UUID
    reason: str
    explained_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The state of an explanation."""

    exists: bool = False
    lead_exists: bool = False


def streams(command: ExplainChange) -> Sequence[Stream]:
    return [Stream("explanation", command.explanation_id), Stream("lead", command.lead_id)]


def evolve(state: Explanation, event: Event) -> Explanation:
    match event:
        case LeadArrived():
            return replace(state, lead_exists=True)
        case ChangeExplained():
            return replace(state, exists=True)
        case _:
            return state


def decide(command: ExplainChange, state: Explanation) -> list[Event]:
    if state.exists:
        return []
    if not state.lead_exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    return [ChangeExplained(
        explanation_id=command.explanation_id, lead_id=command.lead_id,
        explained_event_id=command.explained_event_id, reason=command.reason,
        explained_by=command.explained_by,
    )]  # fmt: skip


decider: Decider[ExplainChange, Explanation] = Decider(
    "explanation", (ExplainChange,), streams, Explanation(), evolve, decide
)
