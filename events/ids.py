"""Ids in events, and ids that are derived from ids of clients: a repetition has the same id.

Clients choose ids. Those of one property must not hinder another: an id that is used elsewhere, or
that is reserved, is replaced by one that only this property can have.
"""

from functools import cache
from hashlib import sha256
from uuid import UUID, uuid5

from events.conversations import ConversationMessageAdopted
from events.deliveries import DeliveryPlanned
from events.event import Event

_NAMESPACE = UUID("0d1f4a52-9c47-5be1-8a0e-7c1d5d2f6b90")
_RESERVED_VERSION = 8
"""The UUID version that RFC 9562 leaves to applications."""
_VARIANT = 0b10
_PROFILE_FIELDS = frozenset({"agent_id", "assigned_agent_id"})
"""The fields with a profile id whose names do not end in `_by`."""


def log_id(org_id: UUID, source: str, ce_id: str) -> UUID:
    """Return the event id of a producer's CloudEvents id, scoped by organisation and source."""
    return uuid5(_NAMESPACE, f"produced/{org_id}/{len(source)}/{source}/{ce_id}")


def message_event_id(message_id: UUID) -> UUID:
    """Return the event id of a message, the same over HTTP, Kafka and adoption.

    So a message id is unique in the whole log: its use in another conversation is refused.
    Otherwise two messages would claim the same row. The value equals
    `crm.adopted_id('messages', …)`, because messages of the host share the table.
    """
    return UUID(bytes=sha256(f"adopt/messages/{message_id}".encode()).digest()[:16])


def message_id_of(event: Event) -> UUID | None:
    """Return the id of the new message that an event contains, or None."""
    if not _contains_message(type(event)):
        return None
    message_id: UUID | None = event.message_id  # type: ignore[attr-defined]
    return message_id


@cache
def _contains_message(kind: type[Event]) -> bool:
    # SQL derives the id of an adopted message, which may be edited. A delivery carries a message
    # that another event contains.
    is_other = issubclass(kind, ConversationMessageAdopted | DeliveryPlanned)
    return "message_id" in kind.model_fields and not is_other


def producer_event_id(org_id: UUID, source: str, ce_id: str, event: Event) -> UUID:
    """Return the event id of a producer's event: of its message if it has one, or of its record."""
    if (message_id := message_id_of(event)) is not None:
        return message_event_id(message_id)
    return log_id(org_id, source, ce_id)


def scoped_id(property_id: UUID, kind: str, name: object) -> UUID:
    """Return the id of an entity that only this property can have, the same for the same name.

    It is reserved: no client can take it, because a reserved id is used only where it exists.
    """
    return reserved_id(sha256(f"scoped/{property_id}/{kind}/{name}".encode()).digest())


def reserved_id(digest: bytes) -> UUID:
    """Return the first 16 bytes of a digest as a reserved id."""
    number = int.from_bytes(digest[:16])
    number = number & ~(0xF << 76) | _RESERVED_VERSION << 76
    return UUID(int=number & ~(0b11 << 62) | _VARIANT << 62)


def is_reserved(client_id: UUID) -> bool:
    """Return whether an id is of the kind that `scoped_id` returns."""
    return client_id.version == _RESERVED_VERSION


def profile_ids_in(event: Event) -> set[UUID]:
    """Return the profiles that an event refers to: its rows have foreign keys to them."""
    ids = (getattr(event, field) for field in _profile_fields_of(type(event)))
    return {key for key in ids if key is not None}


@cache
def _profile_fields_of(kind: type[Event]) -> tuple[str, ...]:
    return tuple(
        name for name in kind.model_fields if name.endswith("_by") or name in _PROFILE_FIELDS
    )
