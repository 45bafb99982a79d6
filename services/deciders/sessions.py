"""The decider of sessions: started, linked to a lead, and the messages of the visitor in them.

`visitor_hash` is everywhere the keyed hash of the visitor's id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never
from uuid import UUID

from events.conversations import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
)
from events.event import Event
from events.record import Stream
from events.sessions import SessionIdentified, SessionStarted
from services.deciders import chats
from services.deciders.chats import (
    Chat,
    Session,
    check_repeated_message,
    link_to_lead,
    not_found_error,
    require_visitor,
)
from services.deciders.decider import Decider, UnknownSubject


@dataclass(frozen=True, slots=True)
class StartSession:
    """Start a session of a visitor; `restart` appends a second start for a session that exists."""

    session_id: UUID
    visitor_hash: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    restart: bool = False


@dataclass(frozen=True, slots=True)
class IdentifySession:
    """Link a session and its conversations to a lead.

    Conversations in `conversation_ids` that have not begun, or belong to another session, are left
    out; with `strict` they are refused.
    """

    session_id: UUID
    lead_id: UUID
    conversation_ids: tuple[UUID, ...] = ()
    visitor_hash: str | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ReceiveMessage:
    """Append a message of a visitor; session and conversation start if they do not exist."""

    session_id: UUID
    conversation_id: UUID
    message_id: UUID
    content: str
    visitor_hash: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    channel: ConversationChannel = ConversationChannel.WIDGET


Command: TypeAlias = StartSession | IdentifySession | ReceiveMessage


def streams(command: Command) -> Sequence[Stream]:
    match command:
        case StartSession():
            return [Stream("session", command.session_id)]
        case IdentifySession():
            return [
                Stream("session", command.session_id),
                Stream("lead", command.lead_id),
                *(Stream("conversation", key) for key in command.conversation_ids),
            ]
        case ReceiveMessage():
            return [
                Stream("session", command.session_id),
                Stream("conversation", command.conversation_id),
            ]
        case _:
            assert_never(command)


def decide(command: Command, state: Chat) -> list[Event]:
    match command:
        case StartSession():
            return _start(command, state)
        case IdentifySession():
            return _identify(command, state)
        case ReceiveMessage():
            return _receive(command, state)
        case _:
            assert_never(command)


def _start(command: StartSession, state: Chat) -> list[Event]:
    if session := state.sessions.get(command.session_id):
        require_visitor(session, command.visitor_hash, command.session_id)
        if not command.restart:
            return []
    return [SessionStarted(
        session_id=command.session_id, visitor_hash=command.visitor_hash,
        user_agent=command.user_agent, referrer_url=command.referrer_url,
    )]  # fmt: skip


def _identify(command: IdentifySession, state: Chat) -> list[Event]:
    session = state.sessions.get(command.session_id)
    if session is None:
        raise UnknownSubject(Stream("session", command.session_id))
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if not command.strict:
        require_visitor(session, command.visitor_hash, command.session_id)
    named = dict.fromkeys(command.conversation_ids)
    linked = tuple(key for key in named if _is_newly_linked(command, state, key, session))
    if session.lead_id == command.lead_id and not linked:
        return []
    return [SessionIdentified(
        session_id=command.session_id, lead_id=command.lead_id, conversation_ids=linked
    )]  # fmt: skip


def _is_newly_linked(
    command: IdentifySession, state: Chat, conversation_id: UUID, session: Session
) -> bool:
    """Return whether the command links the conversation; one that began with the lead is linked."""
    conversation = state.conversations.get(conversation_id)
    if conversation is None or conversation.session_id != command.session_id:
        if command.strict:
            raise UnknownSubject(Stream("conversation", conversation_id))
        return False
    if session.lead_id == command.lead_id and conversation_id in session.conversations:
        return False
    return conversation.lead_id != command.lead_id


def _receive(command: ReceiveMessage, state: Chat) -> list[Event]:
    session = state.sessions.get(command.session_id)
    conversation = state.conversations.get(command.conversation_id)
    if session is None and conversation is not None:
        raise not_found_error("conversation", command.conversation_id)
    events = _start(
        StartSession(
            command.session_id, command.visitor_hash, command.user_agent, command.referrer_url
        ),
        state,
    )
    session = session or Session(command.visitor_hash)
    lead_id = session.lead_id or (conversation.lead_id if conversation else None)
    if conversation is None:
        events.append(ConversationStarted(
            conversation_id=command.conversation_id, session_id=command.session_id,
            lead_id=lead_id, channel=command.channel,
        ))  # fmt: skip
    elif conversation.session_id != command.session_id:
        raise not_found_error("conversation", command.conversation_id)
    elif (before := conversation.messages.get(command.message_id)) is not None:
        check_repeated_message(before, ("user", command.content), command.message_id)
        return []
    else:
        events += link_to_lead(state, command.conversation_id)
    received = ConversationMessageReceived(
        conversation_id=command.conversation_id, session_id=command.session_id, lead_id=lead_id,
        message_id=command.message_id, content=command.content,
    )  # fmt: skip
    return [*events, received]


decider: Decider[Command, Chat] = Decider(
    "session",
    (StartSession, IdentifySession, ReceiveMessage),
    streams,
    Chat(),
    chats.evolve,
    decide,
)
