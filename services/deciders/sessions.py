"""Sessions: begun by visitors, and given to a lead once it is known who the visitor is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never
from uuid import UUID

from events.chat import SessionIdentified, SessionStarted
from events.event import Event
from events.record import Stream
from services.deciders import chats
from services.deciders.chats import Chat, Session, demand_visitor
from services.deciders.decider import Decider, UnknownSubject
from services.deciders.fields import without_nulls


@dataclass(frozen=True, slots=True)
class StartSession:
    """A visitor opened the widget; `anew` where its session is known and its row is gone."""

    session_id: UUID
    visitor_id: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    anew: bool = False


@dataclass(frozen=True, slots=True)
class IdentifySession:
    """A session, and the conversations held in it, belong to a lead.

    `conversation_ids` may name conversations that have not begun, or are another session's: they
    are left out, unless `strict`, which refuses.
    """

    session_id: UUID
    lead_id: UUID
    conversation_ids: tuple[UUID, ...] = ()
    visitor_id: str | None = None
    strict: bool = False


Command: TypeAlias = StartSession | IdentifySession


def streams(command: Command) -> Sequence[Stream]:
    match command:
        case StartSession():
            return [Stream("session", command.session_id)]
        case IdentifySession():
            return [
                Stream("session", command.session_id),
                Stream("lead", command.lead_id),
                *(Stream("conversation", each) for each in command.conversation_ids),
            ]
        case _:
            assert_never(command)


def decide(command: Command, state: Chat) -> list[Event]:
    match command:
        case StartSession():
            return _start(command, state)
        case IdentifySession():
            return _identify(command, state)
        case _:
            assert_never(command)


def _start(command: StartSession, state: Chat) -> list[Event]:
    if known := state.sessions.get(command.session_id):
        demand_visitor(known, command.visitor_id, command.session_id)
        if not command.anew:
            return []
    return [SessionStarted.model_validate(without_nulls(
        session_id=command.session_id, visitor_id=command.visitor_id,
        user_agent=command.user_agent, referrer_url=command.referrer_url,
    ))]  # fmt: skip


def _identify(command: IdentifySession, state: Chat) -> list[Event]:
    session = state.sessions.get(command.session_id)
    if session is None:
        raise UnknownSubject(Stream("session", command.session_id))
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if not command.strict:
        demand_visitor(session, command.visitor_id, command.session_id)
    named = dict.fromkeys(command.conversation_ids)
    held = tuple(each for each in named if _is_held(command, state, each, session))
    if session.lead_id == command.lead_id and not held:
        return []
    return [SessionIdentified.model_validate(without_nulls(
        session_id=command.session_id, lead_id=command.lead_id, conversation_ids=held or None,
    ))]  # fmt: skip


def _is_held(
    command: IdentifySession, state: Chat, conversation_id: UUID, session: Session
) -> bool:
    """Does this conversation become the lead's now? One that was its from the start does not."""
    conversation = state.conversations.get(conversation_id)
    if conversation is None or conversation.session_id != command.session_id:
        if command.strict:
            raise UnknownSubject(Stream("conversation", conversation_id))
        return False
    if session.lead_id == command.lead_id and conversation_id in session.held:
        return False
    return conversation.lead_id != command.lead_id


decider: Decider[Command, Chat] = Decider(
    (StartSession, IdentifySession), streams, Chat(), chats.evolve, decide
)
