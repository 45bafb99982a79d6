"""The decider of explanations: the reason of a change, recorded once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

from events.conversations import (
    ConversationAdopted,
    ConversationChangeExplained,
    ConversationStarted,
)
from events.event import Event
from events.explanations import ChangeExplained, PropertyChangeExplained
from events.leads import LeadArrived
from events.properties import PropertyRecorded
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
class ExplainConversationChange:
    """Record why an event of a conversation without a lead was caused."""

    conversation_id: UUID
    explained_event_id: UUID
    reason: str
    explained_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ExplainPropertyChange:
    """Record why an event was caused that concerns neither a lead nor a conversation."""

    explanation_id: UUID
    property_id: UUID
    explained_event_id: UUID
    reason: str
    explained_by: UUID | None = None


Command: TypeAlias = ExplainChange | ExplainConversationChange | ExplainPropertyChange


@dataclass(frozen=True, slots=True)
class Explanation:
    """The state of what is explained: whether it exists, and which of its events have a reason."""

    subject_exists: bool = False
    explained_event_ids: frozenset[UUID] = frozenset()


def explain_edit(event_id: UUID, lead_id: UUID, reason: str) -> ChangeExplained:
    """Return the explanation of an event that an operator sent: the same for the same event.

    Operators have no profile in the organisation, so only the actor of the event names them.
    """
    return ChangeExplained(
        explanation_id=uuid5(event_id, ChangeExplained.name), lead_id=lead_id,
        explained_event_id=event_id, reason=reason,
    )  # fmt: skip


def streams(command: Command) -> Sequence[Stream]:
    match command:
        case ExplainChange():
            return [Stream("explanation", command.explanation_id), Stream("lead", command.lead_id)]
        case ExplainConversationChange():
            return [Stream("conversation", command.conversation_id)]
        case ExplainPropertyChange():
            return [
                Stream("explanation", command.explanation_id),
                Stream("property", command.property_id),
            ]
        case _:
            assert_never(command)


def evolve(state: Explanation, event: Event) -> Explanation:
    match event:
        case LeadArrived() | ConversationStarted() | ConversationAdopted() | PropertyRecorded():
            return replace(state, subject_exists=True)
        case ChangeExplained() | ConversationChangeExplained() | PropertyChangeExplained():
            explained = state.explained_event_ids | {event.explained_event_id}
            return replace(state, explained_event_ids=explained)
        case _:
            return state


def decide(command: Command, state: Explanation) -> list[Event]:
    if command.explained_event_id in state.explained_event_ids:
        return []
    if not state.subject_exists:
        raise UnknownSubject(streams(command)[-1])
    match command:
        case ExplainChange():
            return [ChangeExplained(
                explanation_id=command.explanation_id, lead_id=command.lead_id,
                explained_event_id=command.explained_event_id, reason=command.reason,
                explained_by=command.explained_by,
            )]  # fmt: skip
        case ExplainConversationChange():
            return [ConversationChangeExplained(
                conversation_id=command.conversation_id, reason=command.reason,
                explained_event_id=command.explained_event_id, explained_by=command.explained_by,
            )]  # fmt: skip
        case ExplainPropertyChange():
            return [PropertyChangeExplained(
                explanation_id=command.explanation_id, property_id=command.property_id,
                explained_event_id=command.explained_event_id, reason=command.reason,
                explained_by=command.explained_by,
            )]  # fmt: skip
        case _:
            assert_never(command)


decider: Decider[Command, Explanation] = Decider(
    "explanation", (ExplainChange, ExplainConversationChange, ExplainPropertyChange), streams,
    Explanation(), evolve, decide,
)  # fmt: skip
