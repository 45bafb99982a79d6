"""Chats: sessions of visitors, what is said in conversations, and who answers: bot or agent."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.chat import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationStarted,
    ConversationTakenOver,
    ConversationWaiting,
    SessionIdentified,
    SessionStarted,
)
from events.event import Event
from events.record import Stream
from services.deciders import leads
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.leads import Lead


@dataclass(frozen=True, slots=True)
class StartSession:
    """A visitor opened the widget."""

    session_id: UUID
    visitor_id: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None


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


@dataclass(frozen=True, slots=True)
class ReceiveMessage:
    """The visitor said something; session and conversation begin where they have not."""

    session_id: UUID
    conversation_id: UUID
    message_id: UUID
    content: str
    visitor_id: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    channel: ConversationChannel = ConversationChannel.WIDGET


@dataclass(frozen=True, slots=True)
class Reply:
    """The bot answers; `epoch` is the takeover epoch it had read."""

    conversation_id: UUID
    message_id: UUID
    content: str
    epoch: int
    in_reply_to: UUID | None = None


@dataclass(frozen=True, slots=True)
class WaitForPerson:
    """Nobody but a person can go on here; `content` tells the visitor so, once."""

    conversation_id: UUID
    reason: str
    message_id: UUID | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class TakeOver:
    """An agent takes the conversation from the bot."""

    conversation_id: UUID
    agent_id: UUID
    message_id: UUID | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """The conversation goes back to the bot."""

    conversation_id: UUID
    released_by: UUID | None = None
    message_id: UUID | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent in charge answers; `epoch`, where given, is the one the agent saw."""

    conversation_id: UUID
    message_id: UUID
    content: str
    agent_id: UUID
    epoch: int | None = None


InConversation: TypeAlias = Reply | WaitForPerson | TakeOver | Release | Answer
Command: TypeAlias = StartSession | IdentifySession | ReceiveMessage | InConversation


@dataclass(frozen=True, slots=True)
class Session:
    """A session; `held` are the conversations that were given to `lead_id` with it."""

    visitor_id: str | None = None
    lead_id: UUID | None = None
    held: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation; `said` is message id → who (user, assistant, system) and what."""

    session_id: UUID | None = None
    lead_id: UUID | None = None
    is_human_mode: bool = False
    agent_id: UUID | None = None
    epoch: int = 0
    is_waiting: bool = False
    turns: int = 0
    said: dict[UUID, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chat:
    """The sessions, conversations and the lead a command is about."""

    sessions: dict[UUID, Session] = field(default_factory=dict)
    conversations: dict[UUID, Conversation] = field(default_factory=dict)
    lead: Lead = field(default_factory=Lead)


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
        case ReceiveMessage():
            return [
                Stream("session", command.session_id),
                Stream("conversation", command.conversation_id),
            ]
        case Reply() | WaitForPerson() | TakeOver() | Release() | Answer():
            return [Stream("conversation", command.conversation_id)]
        case _:
            assert_never(command)


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
            identifier = getattr(event, "conversation_id", None)
            if event.stream != "conversation" or identifier is None:
                return replace(state, lead=leads.evolve(state.lead, event))
            known_as = state.conversations.get(identifier)
            spoken = _heard(known_as, event)
            return replace(state, conversations={**state.conversations, identifier: spoken})


def _heard(known: Conversation | None, event: Event) -> Conversation:
    """A conversation after one more event in it."""
    if known is None:
        known = Conversation(getattr(event, "session_id", None), event.lead)
    message, content = getattr(event, "message_id", None), getattr(event, "content", None)
    if message is not None and content is not None:
        known = replace(known, said={**known.said, message: (_role(event), content)})
    match event:
        case ConversationMessageReceived():
            return replace(known, turns=known.turns + 1)
        case ConversationAdopted():
            return replace(known, is_human_mode=event.is_human_mode)
        case ConversationTakenOver():
            return replace(known, is_human_mode=True, agent_id=event.agent_id, epoch=event.epoch,
                           is_waiting=False)  # fmt: skip
        case ConversationReleased():
            return replace(known, is_human_mode=False, agent_id=None, epoch=event.epoch)
        case ConversationAnswered():
            return replace(known, is_waiting=False)
        case ConversationWaiting():
            return replace(known, is_waiting=True)
        case _:
            return known


def decide(command: Command, state: Chat) -> list[Event]:
    match command:
        case StartSession():
            if known := state.sessions.get(command.session_id):
                _demand_visitor(known, command.visitor_id, command.session_id)
                return []
            return [_session(command)]
        case IdentifySession():
            return _identify(command, state)
        case ReceiveMessage():
            return _receive(command, state)
        case Reply() | WaitForPerson() | TakeOver() | Release() | Answer():
            conversation = state.conversations.get(command.conversation_id)
            if conversation is None:
                raise UnknownSubject(Stream("conversation", command.conversation_id))
            return _go_on(command, conversation)
        case _:
            assert_never(command)


def lead_of(state: Chat, session_id: UUID | None, conversation_id: UUID) -> UUID | None:
    """Whose conversation it is: the session's lead, or the one it began with."""
    session = state.sessions.get(session_id) if session_id else None
    if session is not None and session.lead_id is not None:
        return session.lead_id
    conversation = state.conversations.get(conversation_id)
    return conversation.lead_id if conversation else None


def _session(command: StartSession | ReceiveMessage) -> SessionStarted:
    return SessionStarted.model_validate(_said(
        session_id=command.session_id, visitor_id=command.visitor_id,
        user_agent=command.user_agent, referrer_url=command.referrer_url,
    ))  # fmt: skip


def _identify(command: IdentifySession, state: Chat) -> list[Event]:
    session = state.sessions.get(command.session_id)
    if session is None:
        raise UnknownSubject(Stream("session", command.session_id))
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    if not command.strict:
        _demand_visitor(session, command.visitor_id, command.session_id)
    held = tuple(
        each for each in command.conversation_ids if _is_held(command, state, each, session)
    )
    if session.lead_id == command.lead_id and not held:
        return []
    return [SessionIdentified.model_validate(_said(
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


def _receive(command: ReceiveMessage, state: Chat) -> list[Event]:
    session = state.sessions.get(command.session_id)
    conversation = state.conversations.get(command.conversation_id)
    events: list[Event] = []
    if session is None:
        if conversation is not None:
            raise _not_yours("conversation", command.conversation_id)
        session = Session(command.visitor_id)
        events.append(_session(command))
    _demand_visitor(session, command.visitor_id, command.session_id)
    where = _said(
        conversation_id=command.conversation_id, session_id=command.session_id,
        lead_id=session.lead_id or (conversation.lead_id if conversation else None),
    )  # fmt: skip
    if conversation is None:
        events.append(ConversationStarted.model_validate({**where, "channel": command.channel}))
    elif conversation.session_id != command.session_id:
        raise _not_yours("conversation", command.conversation_id)
    elif (said := conversation.said.get(command.message_id)) is not None:
        return _again(command.message_id, said[1], command.content)
    elif (
        session.lead_id is not None
        and conversation.lead_id != session.lead_id
        and command.conversation_id not in session.held
    ):
        # It began before the visitor was known, and was not named when they became known.
        events.append(SessionIdentified.model_validate(_said(
            session_id=command.session_id, lead_id=session.lead_id,
            conversation_ids=(command.conversation_id,),
        )))  # fmt: skip
    received = {**where, "message_id": command.message_id, "content": command.content}
    return [*events, ConversationMessageReceived.model_validate(received)]


def _go_on(command: InConversation, known: Conversation) -> list[Event]:
    where = _said(
        conversation_id=command.conversation_id,
        session_id=known.session_id,
        lead_id=known.lead_id,
        message_id=command.message_id,
        content=command.content,
    )
    if command.message_id is not None and command.content is not None:
        said = known.said.get(command.message_id)
        if said is not None:
            return _again(command.message_id, said[1], command.content)
    match command:
        case Reply():
            return _reply(command, known, where)
        case WaitForPerson():
            if known.is_human_mode or known.is_waiting:
                return []
            return [ConversationWaiting.model_validate(where | {"reason": command.reason})]
        case TakeOver():
            return _take_over(command, known, where)
        case Release():
            if not known.is_human_mode:
                return []
            more = _said(epoch=known.epoch + 1, released_by=command.released_by)
            return [ConversationReleased.model_validate(where | more)]
        case Answer():
            return _answer(command, known, where)
        case _:
            assert_never(command)


def _reply(command: Reply, known: Conversation, where: dict[str, Any]) -> list[Event]:
    if known.is_human_mode or command.epoch != known.epoch:
        raise Refused("stale_epoch", "an agent has taken over since the bot began to think")
    more = _said(epoch=command.epoch, in_reply_to=command.in_reply_to)
    return [ConversationReplied.model_validate(where | more)]


def _take_over(command: TakeOver, known: Conversation, where: dict[str, Any]) -> list[Event]:
    if known.is_human_mode and known.agent_id == command.agent_id:
        return []
    if known.is_human_mode:
        raise Refused("taken_over", "another agent has this conversation")
    taken = {"agent_id": command.agent_id, "epoch": known.epoch + 1}
    return [ConversationTakenOver.model_validate(where | taken)]


def _answer(command: Answer, known: Conversation, where: dict[str, Any]) -> list[Event]:
    if not known.is_human_mode:
        raise Refused("not_taken_over", "take the conversation over before answering")
    if known.agent_id not in (None, command.agent_id):
        raise Refused("taken_over", "another agent has this conversation")
    if command.epoch not in (None, known.epoch):
        raise Refused("stale_epoch", "the conversation changed hands meanwhile")
    more = _said(agent_id=command.agent_id, epoch=command.epoch)
    return [ConversationAnswered.model_validate(where | more)]


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


def _again(message_id: UUID, said: str, content: str) -> list[Event]:
    """A message id says one thing for ever."""
    if said != content:
        raise Refused("id_reused", f"message {message_id} said something else before", 422)
    return []


def _demand_visitor(session: Session, visitor_id: str | None, session_id: UUID) -> None:
    if session.visitor_id is not None and session.visitor_id != visitor_id:
        raise _not_yours("session", session_id)


def _not_yours(kind: str, identifier: UUID) -> Refused:
    return Refused("not_found", f"no {kind} {identifier}", 404)


def _said(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


decider: Decider[Command, Chat] = Decider(
    (StartSession, IdentifySession, ReceiveMessage, Reply, WaitForPerson, TakeOver, Release,
     Answer),
    streams, Chat(), evolve, decide,
)  # fmt: skip
