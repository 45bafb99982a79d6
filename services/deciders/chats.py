"""The state of a visitor's chat: its sessions, its conversations and its lead."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from events.conversations import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.event import Event
from events.sessions import SessionIdentified, SessionStarted
from services.deciders import leads
from services.deciders.decider import Refused
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class Session:
    """The state of a session; `conversations` are those that were linked to `lead_id` with it.

    `visitor_hash` is the keyed hash of the visitor's id.
    """

    visitor_hash: str | None = None
    lead_id: UUID | None = None
    conversations: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Conversation:
    """The state of a conversation; `messages` is message id → (role, content).

    A role is `user`, `assistant` or `system`. `epoch` is the takeover epoch. `turns` counts the
    messages of the visitor.
    """

    session_id: UUID | None = None
    lead_id: UUID | None = None
    is_human_mode: bool = False
    agent_id: UUID | None = None
    epoch: int = 0
    is_waiting: bool = False
    turns: int = 0
    messages: dict[UUID, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chat:
    """The sessions, conversations and the lead that a command refers to."""

    sessions: dict[UUID, Session] = field(default_factory=dict)
    conversations: dict[UUID, Conversation] = field(default_factory=dict)
    lead: Lead = field(default_factory=Lead)


def evolve(state: Chat, event: Event) -> Chat:
    match event:
        case SessionStarted():
            if event.session_id in state.sessions:
                return state
            started = Session(event.visitor_hash, event.lead_id)
            return replace(state, sessions={**state.sessions, event.session_id: started})
        case SessionIdentified():
            before = state.sessions.get(event.session_id, Session())
            linked = frozenset(event.conversation_ids)
            if before.lead_id == event.lead_id:
                linked |= before.conversations
            identified = replace(before, lead_id=event.lead_id, conversations=linked)
            return replace(state, sessions={**state.sessions, event.session_id: identified})
        case _:
            if event.stream != "conversation":
                return replace(state, lead=leads.evolve(state.lead, event))
            after = evolve_conversation(state.conversations.get(event.stream_id), event)
            if after is None:
                return state
            return replace(state, conversations={**state.conversations, event.stream_id: after})


def evolve_conversation(state: Conversation | None, event: Event) -> Conversation | None:
    """Fold an event into a conversation; None is a conversation that has no events."""
    if event.stream != "conversation":
        return state
    is_first = state is None
    if state is None:
        state = Conversation(getattr(event, "session_id", None), event.lead)
    message_id, content = getattr(event, "message_id", None), getattr(event, "content", None)
    if message_id is not None and content is not None:
        state = replace(state, messages={**state.messages, message_id: (_role(event), content)})
    match event:
        case ConversationMessageReceived():
            return replace(state, turns=state.turns + 1)
        case ConversationAdopted():
            return _adopt(state, event, is_first=is_first)
        case ConversationTakenOver():
            return replace(state, is_human_mode=True, agent_id=event.agent_id, epoch=event.epoch,
                           is_waiting=False)  # fmt: skip
        case ConversationReleased():
            return replace(state, is_human_mode=False, agent_id=None, epoch=event.epoch)
        case ConversationAnswered():
            return replace(state, is_waiting=False)
        case ConversationWaiting():
            return replace(state, is_waiting=True)
        case _:
            return state


def _adopt(state: Conversation, event: ConversationAdopted, *, is_first: bool) -> Conversation:
    """Apply a change that the host made. A change of the mode by the host is a takeover epoch."""
    changes = event.changes
    is_new_mode = event.is_human_mode if is_first else "is_human_mode" in changes
    return replace(
        state,
        lead_id=changes.get("lead_id", state.lead_id),
        is_human_mode=changes.get("is_human_mode", state.is_human_mode),
        agent_id=changes.get("human_agent_id", state.agent_id),
        epoch=state.epoch + int(is_new_mode),
    )


def _role(event: Event) -> str:
    match event:
        case ConversationMessageReceived():
            return "user"
        case ConversationReplied() | ConversationAnswered():
            return "assistant"
        case ConversationMessageAdopted():
            return event.role.value
        case _:
            return "system"


def conversation_lead(state: Chat, session_id: UUID | None, conversation_id: UUID) -> UUID | None:
    """Return the lead of the session, or else the lead that the conversation started with."""
    session = state.sessions.get(session_id) if session_id else None
    if session is not None and session.lead_id is not None:
        return session.lead_id
    conversation = state.conversations.get(conversation_id)
    return conversation.lead_id if conversation else None


def link_to_lead(state: Chat, conversation_id: UUID) -> list[Event]:
    """Return the event that links a conversation to the lead of its session, if it is not linked.

    A conversation that began before the lead was known, and was not named when it became known, is
    not linked yet.
    """
    conversation = state.conversations[conversation_id]
    session_id = conversation.session_id
    session = state.sessions.get(session_id) if session_id else None
    if session_id is None or session is None or session.lead_id is None:
        return []
    if conversation.lead_id == session.lead_id or conversation_id in session.conversations:
        return []
    return [SessionIdentified(
        session_id=session_id, lead_id=session.lead_id, conversation_ids=(conversation_id,)
    )]  # fmt: skip


def require_visitor(session: Session, visitor_hash: str | None, session_id: UUID) -> None:
    """Raise `Refused` if the session belongs to another visitor: it must seem not to exist."""
    if session.visitor_hash is not None and session.visitor_hash != visitor_hash:
        raise not_found_error("session", session_id)


def require_proof(session: Session | None, session_id: UUID, proven: UUID | None) -> None:
    """Raise `Refused` if a session without a visitor id is used without its session token."""
    if session is not None and session.visitor_hash is None and proven != session_id:
        raise not_found_error("session", session_id)


def is_own_session(
    session: Session | None, session_id: UUID, visitor_hash: str | None, proven: UUID | None
) -> bool:
    """Return whether a visitor has proved that a session is its own, or starts it now."""
    if session is None or proven == session_id:
        return True
    return session.visitor_hash is not None and session.visitor_hash == visitor_hash


def check_repeated_message(
    before: tuple[str, str], again: tuple[str, str], message_id: UUID
) -> None:
    """Raise `Refused` if a message id is used again with another (role, content)."""
    if before != again:
        raise Refused(
            "id_reused", f"message id {message_id} was used with another content before", 422
        )


def not_found_error(kind: str, identifier: UUID) -> Refused:
    return Refused("not_found", f"no {kind} {identifier}", 404)
