"""The decider of conversations: the bot or an agent replies, an agent takes over and gives back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never
from uuid import UUID

from events.conversations import (
    ConversationAnswered,
    ConversationReleased,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.event import Event
from events.record import Stream
from services.deciders import chats
from services.deciders.chats import (
    Chat,
    Conversation,
    check_repeated_message,
    conversation_lead,
    link_to_lead,
)
from services.deciders.decider import Decider, Refused, UnknownSubject


@dataclass(frozen=True, slots=True)
class PostBotReply:
    """Append the bot's reply. `epoch` is the takeover epoch that was read before computing it."""

    conversation_id: UUID
    message_id: UUID
    content: str
    epoch: int
    in_reply_to: UUID | None = None


@dataclass(frozen=True, slots=True)
class WaitForAgent:
    """Mark the conversation as waiting for an agent; `content` is a message that says so."""

    conversation_id: UUID
    reason: str
    message_id: UUID | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class TakeOverConversation:
    """Replace the bot by an agent; `content` is a system message that informs the visitor."""

    conversation_id: UUID
    agent_id: UUID
    message_id: UUID | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseConversation:
    """Give the conversation back to the bot.

    With `only_own`, only the agent in charge may do so.
    """

    conversation_id: UUID
    released_by: UUID | None = None
    message_id: UUID | None = None
    content: str | None = None
    only_own: bool = False


@dataclass(frozen=True, slots=True)
class PostAgentAnswer:
    """Append a message of the agent in charge. `epoch` is the takeover epoch the agent saw."""

    conversation_id: UUID
    message_id: UUID
    content: str
    agent_id: UUID
    epoch: int | None = None


Command: TypeAlias = (
    PostBotReply | WaitForAgent | TakeOverConversation | ReleaseConversation | PostAgentAnswer
)


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("conversation", command.conversation_id)]


def find_sessions(state: Chat) -> Sequence[Stream]:
    """Return the sessions of the conversations: the visitor may have become a lead since."""
    return [
        Stream("session", conversation.session_id)
        for conversation in state.conversations.values()
        if conversation.session_id is not None
    ]


def decide(command: Command, state: Chat) -> list[Event]:
    conversation = state.conversations.get(command.conversation_id)
    if conversation is None:
        raise UnknownSubject(Stream("conversation", command.conversation_id))
    if command.message_id is not None and command.content is not None:
        before = conversation.messages.get(command.message_id)
        if before is not None:
            is_reply = isinstance(command, PostBotReply | PostAgentAnswer)
            role = "assistant" if is_reply else "system"
            check_repeated_message(before, (role, command.content), command.message_id)
            return []
    lead_id = conversation_lead(state, conversation.session_id, command.conversation_id)
    events = _decide(command, replace(conversation, lead_id=lead_id))
    return [*link_to_lead(state, command.conversation_id), *events] if events else []


def _decide(command: Command, state: Conversation) -> list[Event]:
    """Decide for a conversation that has the lead of its session."""
    match command:
        case PostBotReply():
            return _reply(command, state)
        case WaitForAgent():
            return _wait(command, state)
        case TakeOverConversation():
            return _take_over(command, state)
        case ReleaseConversation():
            return _release(command, state)
        case PostAgentAnswer():
            return _answer(command, state)
        case _:
            assert_never(command)


def _reply(command: PostBotReply, state: Conversation) -> list[Event]:
    # The epoch fences a reply that was computed before an agent took over: it must not appear.
    if state.is_human_mode or command.epoch != state.epoch:
        raise Refused("stale_epoch", "an agent took over while the bot computed its reply")
    return [ConversationReplied(
        conversation_id=command.conversation_id, session_id=state.session_id,
        lead_id=state.lead_id, message_id=command.message_id, content=command.content,
        epoch=command.epoch, in_reply_to=command.in_reply_to,
    )]  # fmt: skip


def _wait(command: WaitForAgent, state: Conversation) -> list[Event]:
    if state.is_human_mode or state.is_waiting:
        return []
    return [ConversationWaiting(
        conversation_id=command.conversation_id, session_id=state.session_id,
        lead_id=state.lead_id, message_id=command.message_id, content=command.content,
        reason=command.reason,
    )]  # fmt: skip


def _take_over(command: TakeOverConversation, state: Conversation) -> list[Event]:
    if state.is_human_mode and state.agent_id == command.agent_id:
        return []
    if state.is_human_mode and state.agent_id is not None:
        raise Refused("taken_over", "another agent has taken over this conversation")
    return [ConversationTakenOver(
        conversation_id=command.conversation_id, session_id=state.session_id,
        lead_id=state.lead_id, message_id=command.message_id, content=command.content,
        agent_id=command.agent_id, epoch=state.epoch + 1,
    )]  # fmt: skip


def _release(command: ReleaseConversation, state: Conversation) -> list[Event]:
    if not state.is_human_mode:
        return []
    if command.only_own and state.agent_id not in (None, command.released_by):
        raise Refused(
            "not_in_charge", "only the agent in charge or an admin may release a conversation", 403
        )
    return [ConversationReleased(
        conversation_id=command.conversation_id, session_id=state.session_id,
        lead_id=state.lead_id, message_id=command.message_id, content=command.content,
        epoch=state.epoch + 1, released_by=command.released_by,
    )]  # fmt: skip


def _answer(command: PostAgentAnswer, state: Conversation) -> list[Event]:
    if not state.is_human_mode:
        raise Refused("not_taken_over", "take the conversation over before you answer")
    if state.agent_id not in (None, command.agent_id):
        raise Refused("taken_over", "another agent has taken over this conversation")
    if command.epoch not in (None, state.epoch):
        raise Refused("stale_epoch", "the conversation was taken over or released meanwhile")
    return [ConversationAnswered(
        conversation_id=command.conversation_id, session_id=state.session_id,
        lead_id=state.lead_id, message_id=command.message_id, content=command.content,
        agent_id=command.agent_id, epoch=command.epoch,
    )]  # fmt: skip


decider: Decider[Command, Chat] = Decider(
    "conversation",
    (PostBotReply, WaitForAgent, TakeOverConversation, ReleaseConversation, PostAgentAnswer),
    streams, Chat(), chats.evolve, decide, find_sessions,
)  # fmt: skip
