"""Messages of visitors: with the first, session and conversation begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from events.chat import (
    ConversationChannel,
    ConversationMessageReceived,
    ConversationStarted,
    SessionIdentified,
)
from events.event import Event
from events.record import Stream
from services.deciders import chats, sessions
from services.deciders.chats import Chat, Session, not_yours
from services.deciders.conversations import said_again
from services.deciders.decider import Decider
from services.deciders.fields import without_nulls
from services.deciders.sessions import StartSession


@dataclass(frozen=True, slots=True)
class ReceiveMessage:
    """The visitor said something; session and conversation begin where they have not."""

    session_id: UUID
    conversation_id: UUID
    message_id: UUID
    content: str
    visitor_id: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    channel: ConversationChannel = ConversationChannel.WIDGET


def streams(command: ReceiveMessage) -> Sequence[Stream]:
    return [
        Stream("session", command.session_id),
        Stream("conversation", command.conversation_id),
    ]


def decide(command: ReceiveMessage, state: Chat) -> list[Event]:
    session = state.sessions.get(command.session_id)
    conversation = state.conversations.get(command.conversation_id)
    if session is None and conversation is not None:
        raise not_yours("conversation", command.conversation_id)
    events = sessions.decide(_session(command), state)
    session = session or Session(command.visitor_id)
    where = without_nulls(
        conversation_id=command.conversation_id, session_id=command.session_id,
        lead_id=session.lead_id or (conversation.lead_id if conversation else None),
    )  # fmt: skip
    if conversation is None:
        events.append(ConversationStarted.model_validate({**where, "channel": command.channel}))
    elif conversation.session_id != command.session_id:
        raise not_yours("conversation", command.conversation_id)
    elif (said := conversation.said.get(command.message_id)) is not None:
        return said_again(command.message_id, said, ("user", command.content))
    elif (
        session.lead_id is not None
        and conversation.lead_id != session.lead_id
        and command.conversation_id not in session.held
    ):
        # It began before the visitor was known, and was not named when they became known.
        events.append(SessionIdentified.model_validate(without_nulls(
            session_id=command.session_id, lead_id=session.lead_id,
            conversation_ids=(command.conversation_id,),
        )))  # fmt: skip
    received = {**where, "message_id": command.message_id, "content": command.content}
    return [*events, ConversationMessageReceived.model_validate(received)]


def _session(command: ReceiveMessage) -> StartSession:
    return StartSession(
        command.session_id, command.visitor_id, command.user_agent, command.referrer_url
    )


decider: Decider[ReceiveMessage, Chat] = Decider(
    (ReceiveMessage,), streams, Chat(), chats.evolve, decide
)
