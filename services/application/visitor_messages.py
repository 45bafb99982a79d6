"""What a visitor said: by whom, in which session and conversation, and what the answer needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from events.chat import ConversationStarted
from events.record import Stream
from services.application.leads import capture
from services.application.sessions import begin_anew
from services.application.unit_of_work import UnitOfWork
from services.deciders import chats
from services.deciders.chats import Chat
from services.deciders.conversations import Conversation
from services.deciders.leads import Details, Lead, UpdateLead
from services.deciders.messages import ReceiveMessage
from services.deciders.sessions import IdentifySession, StartSession
from services.deciders.widgets import ConfigureWidget, Widget
from services.host import HostProperty, load_property

CHAT_SOURCE = "LumaLeasing Widget"


@dataclass(frozen=True, slots=True)
class Said:
    """What a visitor sent. Ids that are missing are derived from those that are there."""

    message_id: UUID
    content: str
    session_id: UUID | None = None
    conversation_id: UUID | None = None
    visitor_id: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    details: Details | None = None
    proven: UUID | None = None
    """The session that the visitor has proved to be its own."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Where it was said, and what the answer depends on."""

    session_id: UUID
    conversation_id: UUID
    conversation: Conversation
    lead_id: UUID | None
    first_name: str | None
    settings: Mapping[str, Any]
    host_property: HostProperty

    @property
    def bot_answers(self) -> bool:
        """Does the property let the bot answer at all?"""
        return self.settings.get("auto_reply_enabled") is not False


def conversation_of(session_id: UUID) -> UUID:
    """The conversation of a session whose client names none."""
    return uuid5(session_id, "conversation")


async def hear(uow: UnitOfWork, said: Said) -> Heard:
    session_id, conversation_id = await _ids(uow, said)
    said_before = ReceiveMessage(
        session_id, conversation_id, said.message_id, said.content, said.visitor_id,
        said.user_agent, said.referrer_url,
    )  # fmt: skip
    if said.session_id or said.conversation_id:
        before: Chat = await uow.state(said_before)
        held = before.conversations.get(conversation_id)
        if held is None or said.message_id not in held.said:  # sent again, it is its own proof
            chats.demand_proof(before.sessions.get(session_id), session_id, said.proven)
    start = StartSession(session_id, said.visitor_id, said.user_agent, said.referrer_url)
    await begin_anew(uow, start)
    if said.details is not None and (said.details.email or said.details.phone):
        state: Chat = await uow.state(said_before)
        session = state.sessions.get(session_id)
        if session is None or session.visitor_id in (None, said.visitor_id):
            lead_id = await capture(
                uow, said.details, session_id=session_id,
                lead_id=_begun_by(uow, said, "lead"),
                session_lead=session.lead_id if session else None,
            )  # fmt: skip
            await uow.do(start)
            await uow.do(IdentifySession(
                session_id, lead_id, (conversation_id,), said.visitor_id))  # fmt: skip
    await uow.do(said_before)
    state = await uow.state(said_before)
    lead = chats.lead_of(state, session_id, conversation_id)
    widget: Widget = await uow.state(ConfigureWidget(uow.scope.property_id, {}))
    person: Lead = await uow.state(UpdateLead(lead, {})) if lead else Lead()
    return Heard(
        session_id, conversation_id, state.conversations[conversation_id], lead,
        person.details.get("first_name"), widget.settings,
        await load_property(uow.conn, uow.scope.property_id),
    )  # fmt: skip


async def _ids(uow: UnitOfWork, said: Said) -> tuple[UUID, UUID]:
    """Session and conversation: the client's, else the conversation's session, else new ones."""
    session_id = said.session_id
    if session_id is None and said.conversation_id is not None:
        for recorded in await uow.history(Stream("conversation", said.conversation_id)):
            if isinstance(recorded.event, ConversationStarted):
                session_id = recorded.event.session_id
                break
    session_id = session_id or _begun_by(uow, said, "session")
    return session_id, said.conversation_id or conversation_of(session_id)


def _begun_by(uow: UnitOfWork, said: Said, what: str) -> UUID:
    """The id of what begins with a message: the same when it is sent again, in its property."""
    return uuid5(uow.scope.property_id, f"{what}/{said.message_id}")
