"""Ids of facts that follow from what a client called them, so sending again changes nothing."""

from hashlib import sha256
from uuid import UUID, uuid5

from events.chat import (
    ConversationAnswered,
    ConversationMessageReceived,
    ConversationReleased,
    ConversationReplied,
    ConversationTakenOver,
    ConversationWaiting,
)
from events.event import Event

_NAMESPACE = UUID("0d1f4a52-9c47-5be1-8a0e-7c1d5d2f6b90")
_SAYING = (
    ConversationMessageReceived, ConversationReplied, ConversationAnswered, ConversationTakenOver,
    ConversationReleased, ConversationWaiting,
)  # fmt: skip


def log_id(org_id: UUID, source: str, ce_id: str) -> UUID:
    """The id in the log of what a producer calls `ce_id`: one of each organisation and source."""
    return uuid5(_NAMESPACE, f"produced/{org_id}/{len(source)}/{source}/{ce_id}")


def message_event_id(message_id: UUID) -> UUID:
    """The fact that something was said, whichever door it comes through.

    So a message id is one message of the whole log: in another conversation, also another
    organisation's, it is refused, where otherwise two rows would want to have it. The same as
    `crm.adopted_id('messages', …)`, for a host's message is a message too.
    """
    return UUID(bytes=sha256(f"adopt/messages/{message_id}".encode()).digest()[:16])


def message_in(event: Event) -> UUID | None:
    """The message that a fact of a conversation holds, where it holds one."""
    if isinstance(event, _SAYING):
        return event.message_id
    return None


def sent_event_id(org_id: UUID, source: str, ce_id: str, event: Event) -> UUID:
    """The id of a fact that came by Kafka: a message has its own, all else its sender's."""
    if (message := message_in(event)) is not None:
        return message_event_id(message)
    return log_id(org_id, source, ce_id)
