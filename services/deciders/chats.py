"""Chats: sessions of visitors with their conversations, and whose they are."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from events.chat import SessionIdentified, SessionStarted
from events.event import Event
from services.deciders import conversations, leads
from services.deciders.conversations import Conversation
from services.deciders.decider import Refused
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class Session:
    """A session; `held` are the conversations that were given to `lead_id` with it."""

    visitor_id: str | None = None
    lead_id: UUID | None = None
    held: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Chat:
    """The sessions, conversations and the lead a command is about."""

    sessions: dict[UUID, Session] = field(default_factory=dict)
    conversations: dict[UUID, Conversation] = field(default_factory=dict)
    lead: Lead = field(default_factory=Lead)


def evolve(state: Chat, event: Event) -> Chat:
    match event:
        case SessionStarted():
            if event.session_id in state.sessions:
                return state
            started = Session(event.visitor_id, event.lead_id)
            return replace(state, sessions={**state.sessions, event.session_id: started})
        case SessionIdentified():
            known = state.sessions.get(event.session_id, Session())
            held = frozenset(event.conversation_ids)
            if known.lead_id == event.lead_id:
                held |= known.held
            identified = replace(known, lead_id=event.lead_id, held=held)
            return replace(state, sessions={**state.sessions, event.session_id: identified})
        case _:
            if event.stream != "conversation":
                return replace(state, lead=leads.evolve(state.lead, event))
            spoken = conversations.evolve(state.conversations.get(event.stream_id), event)
            if spoken is None:
                return state
            return replace(state, conversations={**state.conversations, event.stream_id: spoken})


def lead_of(state: Chat, session_id: UUID | None, conversation_id: UUID) -> UUID | None:
    """Whose conversation it is: the session's lead, or the one it began with."""
    session = state.sessions.get(session_id) if session_id else None
    if session is not None and session.lead_id is not None:
        return session.lead_id
    conversation = state.conversations.get(conversation_id)
    return conversation.lead_id if conversation else None


def demand_visitor(session: Session, visitor_id: str | None, session_id: UUID) -> None:
    """Raises `Refused`: another visitor's session is as if it were not there."""
    if session.visitor_id is not None and session.visitor_id != visitor_id:
        raise not_yours("session", session_id)


def demand_proof(session: Session | None, session_id: UUID, proven: UUID | None) -> None:
    """Raises `Refused`: a session begun by nobody in particular is its token's alone."""
    if session is not None and session.visitor_id is None and proven != session_id:
        raise not_yours("session", session_id)


def not_yours(kind: str, identifier: UUID) -> Refused:
    return Refused("not_found", f"no {kind} {identifier}", 404)
