"""The decider of erasures: the personal data of a person's leads is erased for good."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from events.event import Event
from events.leads import MAX_ERASED_IDS, LeadErased
from events.record import Stream
from services.deciders.decider import Decider, UnknownSubject

ERASED = "erased"
"""The code of what does not happen, or ends, because the lead was erased."""
WHY_ERASED = "the personal data of the lead was erased"


@dataclass(frozen=True, slots=True)
class ErasedLead:
    """A lead to erase, with its sessions and conversations."""

    id: UUID
    session_ids: tuple[UUID, ...] = ()
    conversation_ids: tuple[UUID, ...] = ()

    @property
    def subjects(self) -> frozenset[UUID]:
        """Return the data subjects: the lead, its sessions and its conversations."""
        return frozenset({self.id, *self.session_ids, *self.conversation_ids})


@dataclass(frozen=True, slots=True)
class EraseLeads:
    """Erase the leads of one person: the surviving lead and those that were merged into it.

    `reason` is kept as evidence and must contain no personal data.
    """

    leads: tuple[ErasedLead, ...]
    reason: str
    erased_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """The leads that exist, and the data subjects that were erased before."""

    existing: frozenset[UUID] = field(default_factory=frozenset)
    erased: frozenset[UUID] = field(default_factory=frozenset)


def streams(command: EraseLeads) -> Sequence[Stream]:
    return [Stream("lead", lead.id) for lead in command.leads]


def evolve(state: Erasure, event: Event) -> Erasure:
    if isinstance(event, LeadErased):
        return replace(state, erased=state.erased | event.subjects)
    if event.stream == "lead" and event.begins:
        return replace(state, existing=state.existing | {event.stream_id})
    return state


def decide(command: EraseLeads, state: Erasure) -> list[Event]:
    """Return the erasures of the leads, without what was erased before."""
    events: list[Event] = []
    for lead in command.leads:
        if lead.id not in state.existing:
            raise UnknownSubject(Stream("lead", lead.id))
        sessions = [key for key in lead.session_ids if key not in state.erased]
        conversations = [key for key in lead.conversation_ids if key not in state.erased]
        if lead.id not in state.erased or sessions or conversations:
            events += erasures_of(
                replace(lead, session_ids=tuple(sessions), conversation_ids=tuple(conversations)),
                command.reason,
                command.erased_by,
            )
    return events


def erasures_of(lead: ErasedLead, reason: str, erased_by: UUID | None = None) -> list[LeadErased]:
    """Return one event, or several where one cannot hold all ids."""
    number = max(len(lead.session_ids), len(lead.conversation_ids), 1)
    return [
        LeadErased(
            lead_id=lead.id, reason=reason, erased_by=erased_by,
            session_ids=lead.session_ids[start : start + MAX_ERASED_IDS],
            conversation_ids=lead.conversation_ids[start : start + MAX_ERASED_IDS],
        )
        for start in range(0, number, MAX_ERASED_IDS)
    ]  # fmt: skip


decider: Decider[EraseLeads, Erasure] = Decider(
    "lead", (EraseLeads,), streams, Erasure(), evolve, decide
)
