"""The ids of a visitor's message and its chat: stored ids, and those that the client knows."""

from dataclasses import dataclass
from uuid import UUID

from events.conversations import ConversationStarted
from events.ids import scoped_id
from events.record import Stream
from services.application.client_ids import MESSAGE, load_client_ids, resolve_client_ids
from services.application.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class ChatIds:
    """The stored ids of a message and its chat, and the ids by which the client knows the chat."""

    session_id: UUID
    conversation_id: UUID
    message_id: UUID
    client_session_id: UUID
    client_conversation_id: UUID


def default_conversation_id(property_id: UUID, session_id: UUID) -> UUID:
    """Return the conversation of a session whose client names no conversation.

    `session_id` is the id by which the client knows the session.
    """
    return scoped_id(property_id, "default conversation", session_id)


async def resolve_chat_ids(
    uow: UnitOfWork, client_message_id: UUID, session_id: UUID | None, conversation_id: UUID | None
) -> ChatIds:
    """Return the ids of the message and its chat: the client's, or else derived ones."""
    property_id = uow.scope.property_id
    named = {
        "session": session_id, "conversation": conversation_id, MESSAGE: client_message_id,
    }  # fmt: skip
    entities = [Stream(kind, client_id) for kind, client_id in named.items() if client_id]
    stored = await resolve_client_ids(uow, entities)
    by_kind = {entity.entity_type: key for entity, key in zip(entities, stored, strict=True)}
    stored_session, stored_conversation = by_kind.get("session"), by_kind.get("conversation")
    if stored_session is None and stored_conversation is not None:
        stored_session = await _session_of(uow, stored_conversation)
    stored_session = stored_session or derive_id(uow, "session", client_message_id)
    client_session_id = session_id or (
        await load_client_ids(uow.conn, property_id, [stored_session])
    ).get(stored_session, stored_session)
    default_id = default_conversation_id(property_id, client_session_id)
    return ChatIds(
        stored_session, stored_conversation or default_id, by_kind[MESSAGE],
        client_session_id, conversation_id or default_id,
    )  # fmt: skip


async def _session_of(uow: UnitOfWork, conversation_id: UUID) -> UUID | None:
    for recorded in await uow.history(Stream("conversation", conversation_id)):
        if isinstance(recorded.event, ConversationStarted):
            return recorded.event.session_id
    return None


def derive_id(uow: UnitOfWork, kind: str, client_message_id: UUID) -> UUID:
    """Return the id of an entity that starts with a message: the same one if it is sent again."""
    return scoped_id(uow.scope.property_id, kind, client_message_id)
