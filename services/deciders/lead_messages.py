"""The decider of messages that a lead sends by SMS or e-mail, outside of a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from events.conversations import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
)
from events.event import Event
from events.record import Stream
from services.deciders import chats
from services.deciders.chats import Chat, check_repeated_message, not_found_error
from services.deciders.decider import Decider, UnknownSubject


@dataclass(frozen=True, slots=True)
class ReceiveLeadMessage:
    """Append a message of a lead; its conversation starts if it does not exist."""

    lead_id: UUID
    conversation_id: UUID
    message_id: UUID
    content: str
    channel: ConversationChannel


def streams(command: ReceiveLeadMessage) -> Sequence[Stream]:
    return [Stream("conversation", command.conversation_id), Stream("lead", command.lead_id)]


def decide(command: ReceiveLeadMessage, state: Chat) -> list[Event]:
    if not state.lead.exists:
        raise UnknownSubject(Stream("lead", command.lead_id))
    conversation = state.conversations.get(command.conversation_id)
    events: list[Event] = []
    if conversation is None:
        events.append(ConversationStarted(
            conversation_id=command.conversation_id, lead_id=command.lead_id,
            channel=command.channel,
        ))  # fmt: skip
    elif conversation.session_id is not None:
        raise not_found_error("conversation", command.conversation_id)
    elif (before := conversation.messages.get(command.message_id)) is not None:
        check_repeated_message(before, ("user", command.content), command.message_id)
        return []
    return [*events, ConversationMessageReceived(
        conversation_id=command.conversation_id, lead_id=command.lead_id,
        message_id=command.message_id, content=command.content, channel=command.channel,
    )]  # fmt: skip


decider: Decider[ReceiveLeadMessage, Chat] = Decider(
    "conversation", (ReceiveLeadMessage,), streams, Chat(), chats.evolve, decide
)
