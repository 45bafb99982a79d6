"""The use case that receives a visitor's message and starts its session and conversation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from events.conversations import ConversationStarted
from events.ids import scoped_id
from events.record import Stream
from services.application.client_ids import (
    MESSAGE,
    default_conversation_id,
    load_client_ids,
    resolve_client_ids,
)
from services.application.leads import capture_lead
from services.application.unit_of_work import UnitOfWork
from services.deciders import chats, sessions, widgets
from services.deciders.chats import Chat, Conversation
from services.deciders.leads import Details
from services.deciders.sessions import IdentifySession, ReceiveMessage, StartSession
from services.host import HostProperty

PROJECTION_DELAY = timedelta(days=1)
"""The longest time after which the row of a session must exist, if it was not deleted."""


@dataclass(frozen=True, slots=True)
class VisitorMessage:
    """A message as the visitor sent it, with the client's own ids; missing ids are derived.

    `visitor_hash` is the keyed hash of the visitor's id. `proven_session` is the session of which
    the client has a valid session token.
    """

    message_id: UUID
    content: str
    session_id: UUID | None = None
    conversation_id: UUID | None = None
    visitor_hash: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    details: Details | None = None
    proven_session: UUID | None = None
    lead_note: str | None = None


@dataclass(frozen=True, slots=True)
class ChatIds:
    """The stored ids of a message and its chat, and the ids by which the client knows the chat."""

    session_id: UUID
    conversation_id: UUID
    message_id: UUID
    client_session_id: UUID
    client_conversation_id: UUID


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message after it was appended, with all that the reply depends on.

    `is_own_session` tells whether the visitor has proved that the session is its own, or has just
    started it. Whoever only repeats a request has not.
    """

    ids: ChatIds
    is_own_session: bool
    conversation: Conversation
    lead_id: UUID | None
    settings: Mapping[str, Any]
    host_property: HostProperty
    is_bot_enabled: bool


async def receive_message(
    uow: UnitOfWork, message: VisitorMessage, host_property: HostProperty | None = None
) -> ReceivedMessage:
    """Append a visitor's message, its session, and the lead of its details. Raises `Refused`.

    The property is loaded if it is not given.
    """
    ids = await _resolve_chat_ids(
        uow, message.message_id, message.session_id, message.conversation_id
    )
    session_id, conversation_id = ids.session_id, ids.conversation_id
    await uow.read_ahead([
        Stream("session", session_id), Stream("conversation", conversation_id),
        Stream(widgets.decider.entity_type, uow.scope.property_id),
    ])  # fmt: skip
    before = await _load_chat(uow, session_id, conversation_id)
    session = before.sessions.get(session_id)
    conversation = before.conversations.get(conversation_id)
    # A client that got no response has no token yet: it gets the response to its own message again.
    if conversation is None or ids.message_id not in conversation.messages:
        chats.require_proof(session, session_id, message.proven_session)
    start = StartSession(session_id, message.visitor_hash, message.user_agent, message.referrer_url)
    await restart_session(uow, start)
    if message.details is not None and (message.details.email or message.details.phone):
        await _identify(uow, message, message.details, start, conversation_id)
    await uow.execute(ReceiveMessage(
        session_id, conversation_id, ids.message_id, message.content, message.visitor_hash,
        message.user_agent, message.referrer_url,
    ))  # fmt: skip
    chat = await _load_chat(uow, session_id, conversation_id)
    lead_id = chats.conversation_lead(chat, session_id, conversation_id)
    settings = (await uow.load(widgets.decider, uow.scope.property_id)).settings
    is_own = chats.is_own_session(session, session_id, message.visitor_hash, message.proven_session)
    return ReceivedMessage(
        ids, is_own,
        chat.conversations[conversation_id], lead_id, settings,
        host_property or await uow.load_property(),
        settings.get("auto_reply_enabled") is not False,
    )  # fmt: skip


async def restart_session(uow: UnitOfWork, start: StartSession) -> None:
    """Append a second start of a session whose row was deleted by retention.

    The row tells who the visitor is, and so who may read the messages of the session from now on.
    A young session is left alone: its row may be missing because the projector is late.
    """
    history = await uow.history(Stream("session", start.session_id))
    if not history or history[0].occurred_at > uow.scope.at - PROJECTION_DELAY:
        return
    has_row = await uow.conn.fetchval(
        "SELECT EXISTS (SELECT FROM widget_sessions WHERE id = $1)", start.session_id
    )
    if not has_row:
        await uow.execute(replace(start, restart=True))


async def _load_chat(uow: UnitOfWork, session_id: UUID, conversation_id: UUID) -> Chat:
    return await uow.load(sessions.decider, session_id, Stream("conversation", conversation_id))


async def _identify(
    uow: UnitOfWork,
    message: VisitorMessage,
    details: Details,
    start: StartSession,
    conversation_id: UUID,
) -> None:
    """Capture the lead of the visitor's details and link the session to it.

    A session of another visitor is left alone; `ReceiveMessage` refuses it afterwards.
    """
    chat = await _load_chat(uow, start.session_id, conversation_id)
    session = chat.sessions.get(start.session_id)
    if session is not None and session.visitor_hash not in (None, message.visitor_hash):
        return
    lead_id = await capture_lead(
        uow, details, session_id=start.session_id,
        lead_id=_derive_id(uow, "lead", message.message_id),
        session_lead=session.lead_id if session else None, note=message.lead_note,
    )  # fmt: skip
    await uow.execute(start)
    await uow.execute(IdentifySession(
        start.session_id, lead_id, (conversation_id,), message.visitor_hash
    ))  # fmt: skip


async def _resolve_chat_ids(
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
    stored_session = stored_session or _derive_id(uow, "session", client_message_id)
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


def _derive_id(uow: UnitOfWork, kind: str, client_message_id: UUID) -> UUID:
    """Return the id of an entity that starts with a message: the same one if it is sent again."""
    return scoped_id(uow.scope.property_id, kind, client_message_id)
