"""Visitors of the widget and what was said: sessions and conversations.

A visitor may never become a lead, so what is personal here belongs to the session or to the
conversation; erasing a lead erases those of its sessions and conversations too.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid5

from pydantic import Field

from events.event import Event, Foreign, Intake, Personal
from events.fields import Body, Count, Flag, Instant, Line, Text, Word


class ConversationChannel(StrEnum):
    """Where a conversation takes place."""

    WIDGET = "widget"
    CHAT = "chat"
    SMS = "sms"
    EMAIL = "email"


class MessageRole(StrEnum):
    """Who speaks in a message."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class SessionStarted(Event):
    """A visitor opened the widget."""

    name: ClassVar[str] = "session.started"
    stream: ClassVar[str] = "session"
    entity: ClassVar[str] = "session_id"
    intake: ClassVar[Intake] = Intake.OBSERVED

    session_id: UUID
    visitor_id: Annotated[Line | None, Personal("session_id")] = None
    user_agent: Annotated[Text | None, Personal("session_id")] = None
    referrer_url: Annotated[Text | None, Personal("session_id")] = None
    lead_id: UUID | None = None


class SessionIdentified(Event):
    """A session, and the conversations held in it, now belong to a lead."""

    name: ClassVar[str] = "session.identified"
    stream: ClassVar[str] = "session"
    entity: ClassVar[str] = "session_id"
    intake: ClassVar[Intake] = Intake.DECIDED

    session_id: UUID
    lead_id: UUID
    conversation_ids: Annotated[tuple[UUID, ...], Field(max_length=1_000)] = ()

    def named_by(self, event_id: UUID) -> frozenset[UUID]:
        """A chat begins for the lead with each conversation."""
        return frozenset({event_id, *(chat_begun(event_id, c) for c in self.conversation_ids)})


def chat_begun(event_id: UUID, conversation_id: UUID) -> UUID:
    """The engagement of a conversation that was a stranger's until an event told whose it is."""
    return uuid5(event_id, str(conversation_id))


class _ConversationEvent(Event):
    """Where it was said, and by which lead as far as that was known at the time."""

    stream: ClassVar[str] = "conversation"
    entity: ClassVar[str] = "conversation_id"

    conversation_id: UUID
    session_id: UUID | None = None
    lead_id: UUID | None = None


class ConversationStarted(_ConversationEvent):
    """A conversation began."""

    name: ClassVar[str] = "conversation.started"
    intake: ClassVar[Intake] = Intake.OBSERVED

    channel: ConversationChannel


class ConversationAdopted(_ConversationEvent):
    """A conversation of the host's own; where it is known already, what the host changed of it.

    A field that is absent stays as it was, null empties it.
    """

    name: ClassVar[str] = "conversation.adopted"

    channel: ConversationChannel
    is_human_mode: Flag = False
    human_agent_id: Foreign | None = None
    human_started_at: Instant | None = None
    human_ended_at: Instant | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """Field → its value, for what was said of the conversation itself."""
        said = self.model_fields_set - {"conversation_id", "session_id"}
        return {field: getattr(self, field) for field in sorted(said)}


class ConversationMessageAdopted(_ConversationEvent):
    """A message of the host's own; `edited` where the host changed one that is known already."""

    name: ClassVar[str] = "conversation.message_adopted"

    message_id: UUID
    role: MessageRole
    content: Annotated[Body, Personal("conversation_id")]
    edited: Flag = False

    @property
    def adopted_message_id(self) -> UUID:
        """The message's id: its row may be there already, unlike that of any other message."""
        return self.message_id


class ConversationMessageReceived(_ConversationEvent):
    """The visitor said something."""

    name: ClassVar[str] = "conversation.message_received"
    intake: ClassVar[Intake] = Intake.OBSERVED

    message_id: UUID
    content: Annotated[Body, Personal("conversation_id")]


class ConversationReplied(_ConversationEvent):
    """The bot answered; `epoch` is the takeover epoch it read before it thought."""

    name: ClassVar[str] = "conversation.replied"
    intake: ClassVar[Intake] = Intake.DECIDED

    message_id: UUID
    content: Annotated[Body, Personal("conversation_id")]
    epoch: Count
    in_reply_to: Foreign | None = None


class ConversationAnswered(_ConversationEvent):
    """An agent answered."""

    name: ClassVar[str] = "conversation.answered"
    intake: ClassVar[Intake] = Intake.DECIDED

    message_id: UUID
    content: Annotated[Body, Personal("conversation_id")]
    agent_id: Foreign
    epoch: Count | None = None


class ConversationTakenOver(_ConversationEvent):
    """An agent took the conversation from the bot; `epoch` is the new one.

    `content` is the system message that tells the visitor so, where there is one.
    """

    name: ClassVar[str] = "conversation.taken_over"
    intake: ClassVar[Intake] = Intake.DECIDED

    agent_id: Foreign
    epoch: Count
    message_id: UUID | None = None
    content: Annotated[Body | None, Personal("conversation_id")] = None


class ConversationReleased(_ConversationEvent):
    """The conversation went back to the bot; `epoch` is the new one."""

    name: ClassVar[str] = "conversation.released"
    intake: ClassVar[Intake] = Intake.DECIDED

    epoch: Count
    released_by: Foreign | None = None
    message_id: UUID | None = None
    content: Annotated[Body | None, Personal("conversation_id")] = None


class ConversationWaiting(_ConversationEvent):
    """The conversation waits for a person: `reason` is a key such as `bot_failed`."""

    name: ClassVar[str] = "conversation.waiting"
    intake: ClassVar[Intake] = Intake.DECIDED

    reason: Word
    message_id: UUID | None = None
    content: Annotated[Body | None, Personal("conversation_id")] = None
