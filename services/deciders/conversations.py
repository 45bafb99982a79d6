"""Conversations: what is said in them, and who answers: the bot, or an agent who took over."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.chat import (
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
from events.record import Stream
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.fields import without_nulls


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
    """The conversation goes back to the bot; with `only_own` only if `released_by` is in charge."""

    conversation_id: UUID
    released_by: UUID | None = None
    message_id: UUID | None = None
    content: str | None = None
    only_own: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent in charge answers; `epoch`, where given, is the one the agent saw."""

    conversation_id: UUID
    message_id: UUID
    content: str
    agent_id: UUID
    epoch: int | None = None


Command: TypeAlias = Reply | WaitForPerson | TakeOver | Release | Answer


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


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("conversation", command.conversation_id)]


def evolve(known: Conversation | None, event: Event) -> Conversation | None:
    if event.stream != "conversation":
        return known
    anew = known is None
    if known is None:
        known = Conversation(getattr(event, "session_id", None), event.lead)
    message, content = getattr(event, "message_id", None), getattr(event, "content", None)
    if message is not None and content is not None:
        known = replace(known, said={**known.said, message: (_role(event), content)})
    match event:
        case ConversationMessageReceived():
            return replace(known, turns=known.turns + 1)
        case ConversationAdopted():
            return _adopted(known, event, anew=anew)
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


def _adopted(known: Conversation, event: ConversationAdopted, *, anew: bool) -> Conversation:
    """What the host says of it; going over to people, and back, is an epoch as any other."""
    said = event.changes
    changed = event.is_human_mode if anew else "is_human_mode" in said
    return replace(
        known,
        lead_id=said.get("lead_id", known.lead_id),
        is_human_mode=said.get("is_human_mode", known.is_human_mode),
        agent_id=said.get("human_agent_id", known.agent_id),
        epoch=known.epoch + int(changed),
    )


def decide(command: Command, known: Conversation | None) -> list[Event]:
    if known is None:
        raise UnknownSubject(Stream("conversation", command.conversation_id))
    where = without_nulls(
        conversation_id=command.conversation_id,
        session_id=known.session_id,
        lead_id=known.lead_id,
        message_id=command.message_id,
        content=command.content,
    )
    if command.message_id is not None and command.content is not None:
        said = known.said.get(command.message_id)
        if said is not None:
            role = "assistant" if isinstance(command, Reply | Answer) else "system"
            return said_again(command.message_id, said, (role, command.content))
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
            return _release(command, known, where)
        case Answer():
            return _answer(command, known, where)
        case _:
            assert_never(command)


def _reply(command: Reply, known: Conversation, where: dict[str, Any]) -> list[Event]:
    if known.is_human_mode or command.epoch != known.epoch:
        raise Refused("stale_epoch", "an agent has taken over since the bot began to think")
    more = without_nulls(epoch=command.epoch, in_reply_to=command.in_reply_to)
    return [ConversationReplied.model_validate(where | more)]


def _take_over(command: TakeOver, known: Conversation, where: dict[str, Any]) -> list[Event]:
    if known.is_human_mode and known.agent_id == command.agent_id:
        return []
    if known.is_human_mode and known.agent_id is not None:
        raise Refused("taken_over", "another agent has this conversation")
    taken = {"agent_id": command.agent_id, "epoch": known.epoch + 1}
    return [ConversationTakenOver.model_validate(where | taken)]


def _release(command: Release, known: Conversation, where: dict[str, Any]) -> list[Event]:
    if not known.is_human_mode:
        return []
    if command.only_own and known.agent_id not in (None, command.released_by):
        raise Refused(
            "not_in_charge", "only the agent in charge or an admin gives a conversation back", 403
        )
    more = without_nulls(epoch=known.epoch + 1, released_by=command.released_by)
    return [ConversationReleased.model_validate(where | more)]


def _answer(command: Answer, known: Conversation, where: dict[str, Any]) -> list[Event]:
    if not known.is_human_mode:
        raise Refused("not_taken_over", "take the conversation over before answering")
    if known.agent_id not in (None, command.agent_id):
        raise Refused("taken_over", "another agent has this conversation")
    if command.epoch not in (None, known.epoch):
        raise Refused("stale_epoch", "the conversation changed hands meanwhile")
    more = without_nulls(agent_id=command.agent_id, epoch=command.epoch)
    return [ConversationAnswered.model_validate(where | more)]


def said_again(message_id: UUID, said: tuple[str, str], again: tuple[str, str]) -> list[Event]:
    """A message id is one thing that one side said, for ever: (role, content). Raises `Refused`."""
    if said != again:
        raise Refused("id_reused", f"message {message_id} said something else before", 422)
    return []


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


decider: Decider[Command, Conversation | None] = Decider(
    (Reply, WaitForPerson, TakeOver, Release, Answer), streams, None, evolve, decide
)
