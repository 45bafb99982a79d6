"""The use case that receives a visitor's message and starts its session and conversation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from events.conversations import ConversationStarted
from events.record import Stream
from services.application.leads import capture_lead
from services.application.unit_of_work import UnitOfWork
from services.deciders import chats, leads, sessions, widgets
from services.deciders.chats import Chat, Conversation
from services.deciders.leads import Details
from services.deciders.sessions import IdentifySession, ReceiveMessage, StartSession
from services.host import HostProperty, load_property

CHAT_SOURCE = "LumaLeasing Widget"
PROJECTION_DELAY = timedelta(days=1)
"""The longest time after which the row of a session must exist, if it was not deleted."""


@dataclass(frozen=True, slots=True)
class VisitorMessage:
    """A message as the visitor sent it; missing ids are derived from those that exist.

    `proven_session` is the session of which the client has a valid session token.
    """

    message_id: UUID
    content: str
    session_id: UUID | None = None
    conversation_id: UUID | None = None
    visitor_id: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    details: Details | None = None
    proven_session: UUID | None = None


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message after it was appended, with all that the reply depends on."""

    session_id: UUID
    conversation_id: UUID
    conversation: Conversation
    lead_id: UUID | None
    first_name: str | None
    settings: Mapping[str, Any]
    host_property: HostProperty
    is_bot_enabled: bool


def default_conversation_id(session_id: UUID) -> UUID:
    """Return the conversation of a session whose client names no conversation."""
    return uuid5(session_id, "conversation")


async def receive_message(uow: UnitOfWork, message: VisitorMessage) -> ReceivedMessage:
    """Append a visitor's message, its session, and the lead of its details. Raises `Refused`."""
    session_id, conversation_id = await _ids(uow, message)
    if message.session_id or message.conversation_id:
        before = await _load_chat(uow, session_id, conversation_id)
        conversation = before.conversations.get(conversation_id)
        # Message ids are random: a client that sends one again has proved that the chat is its own.
        if conversation is None or message.message_id not in conversation.messages:
            chats.require_proof(before.sessions.get(session_id), session_id, message.proven_session)
    start = StartSession(session_id, message.visitor_id, message.user_agent, message.referrer_url)
    await restart_session(uow, start)
    if message.details is not None and (message.details.email or message.details.phone):
        await _identify(uow, message, message.details, start, conversation_id)
    await uow.execute(ReceiveMessage(
        session_id, conversation_id, message.message_id, message.content, message.visitor_id,
        message.user_agent, message.referrer_url,
    ))  # fmt: skip
    chat = await _load_chat(uow, session_id, conversation_id)
    lead_id = chats.conversation_lead(chat, session_id, conversation_id)
    settings = (await uow.load(widgets.decider, uow.scope.property_id)).settings
    return ReceivedMessage(
        session_id, conversation_id, chat.conversations[conversation_id], lead_id,
        await _first_name(uow, lead_id) if lead_id else None, settings,
        await load_property(uow.conn, uow.scope.property_id),
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


async def _first_name(uow: UnitOfWork, lead_id: UUID) -> str | None:
    lead = await uow.load(leads.decider, await uow.surviving_lead(lead_id))
    name: str | None = lead.details.get("first_name")
    return name


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
    if session is not None and session.visitor_id not in (None, message.visitor_id):
        return
    lead_id = await capture_lead(
        uow, details, session_id=start.session_id, lead_id=_derived_id(uow, message, "lead"),
        session_lead=session.lead_id if session else None,
    )  # fmt: skip
    await uow.execute(start)
    await uow.execute(IdentifySession(
        start.session_id, lead_id, (conversation_id,), message.visitor_id
    ))  # fmt: skip


async def _ids(uow: UnitOfWork, message: VisitorMessage) -> tuple[UUID, UUID]:
    """Return session and conversation id: the client's, or else derived ones."""
    session_id = message.session_id
    if session_id is None and message.conversation_id is not None:
        for recorded in await uow.history(Stream("conversation", message.conversation_id)):
            if isinstance(recorded.event, ConversationStarted):
                session_id = recorded.event.session_id
                break
    session_id = session_id or _derived_id(uow, message, "session")
    return session_id, message.conversation_id or default_conversation_id(session_id)


def _derived_id(uow: UnitOfWork, message: VisitorMessage, kind: str) -> UUID:
    """Return the id of an entity that starts with a message: the same one if it is sent again."""
    return uuid5(uow.scope.property_id, f"{kind}/{message.message_id}")
