"""Event ids that are derived from ids of clients, so that a repetition has the same id."""

from hashlib import sha256
from uuid import UUID, uuid5

from events.conversations import ConversationMessageAdopted
from events.event import Event

_NAMESPACE = UUID("0d1f4a52-9c47-5be1-8a0e-7c1d5d2f6b90")


def log_id(org_id: UUID, source: str, ce_id: str) -> UUID:
    """Return the event id of a producer's CloudEvents id, scoped by organisation and source."""
    return uuid5(_NAMESPACE, f"produced/{org_id}/{len(source)}/{source}/{ce_id}")


def message_event_id(message_id: UUID) -> UUID:
    """Return the event id of a message, the same over HTTP, Kafka and adoption.

    So a message id is unique in the whole log: its use in another conversation, also in another
    organisation, is refused. Otherwise two messages would claim the same row. The value equals
    `crm.adopted_id('messages', …)`, because messages of the host share the table.
    """
    return UUID(bytes=sha256(f"adopt/messages/{message_id}".encode()).digest()[:16])


def message_id_of(event: Event) -> UUID | None:
    """Return the id of the new message that an event contains, or None."""
    if isinstance(event, ConversationMessageAdopted):
        return None  # SQL derives the id of this event, and the message may be edited
    message_id: UUID | None = getattr(event, "message_id", None)
    return message_id


def producer_event_id(org_id: UUID, source: str, ce_id: str, event: Event) -> UUID:
    """Return the event id of a producer's event: of its message if it has one, or of its record."""
    if (message_id := message_id_of(event)) is not None:
        return message_event_id(message_id)
    return log_id(org_id, source, ce_id)
