"""Conversations: the messages of visitor, bot and agents, and who is in charge.

A visitor may never become a lead. Personal fields therefore belong to the conversation; when a
lead is erased, those of its conversations are erased too.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import ChangeEvent, Event, Foreign, Intake, Personal
from events.fields import Body, Count, Flag, Instant, Text, Word


class ConversationChannel(StrEnum):
    """The medium of a conversation."""

    WIDGET = "widget"
    CHAT = "chat"
    SMS = "sms"
    EMAIL = "email"


class MessageRole(StrEnum):
    """The side that wrote a message."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class _ConversationEvent(Event):
    """An event of a conversation, with its session and its lead where they were known."""

    stream: ClassVar[str] = "conversation"
    entity: ClassVar[str] = "conversation_id"
    requires: ClassVar[Mapping[str, str]] = {
        "lead_id": "lead",
        "session_id": "session",
        "conversation_id": "conversation",
    }
    optional_ids: ClassVar[frozenset[str]] = frozenset({"message_id"})

    conversation_id: UUID
    session_id: UUID | None = None
    lead_id: UUID | None = None


class ConversationStarted(_ConversationEvent):
    """A conversation began."""

    name: ClassVar[str] = "conversation.started"
    intake: ClassVar[Intake] = Intake.OBSERVED
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead", "session_id": "session"}
    optional_ids: ClassVar[frozenset[str]] = frozenset()

    channel: ConversationChannel


class ConversationAdopted(ChangeEvent, _ConversationEvent):
    """A conversation of the host was adopted, or the host changed an adopted one.

    An absent field is unchanged, null clears it.
    """

    name: ClassVar[str] = "conversation.adopted"
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead", "session_id": "session"}
    optional_ids: ClassVar[frozenset[str]] = frozenset()
    unchanging: ClassVar[frozenset[str]] = frozenset({"conversation_id", "session_id"})

    channel: ConversationChannel
    is_human_mode: Flag = False
    human_agent_id: Foreign | None = None
    human_started_at: Instant | None = None
    human_ended_at: Instant | None = None


class ConversationMessageAdopted(_ConversationEvent):
    """A message of the host was adopted, or the host changed an adopted one (`edited`)."""

    name: ClassVar[str] = "conversation.message_adopted"

    message_id: UUID
    role: MessageRole
    content: Annotated[Body, Personal("conversation_id")]
    edited: Flag = False

    @property
    def adopted_message_id(self) -> UUID:
        """Return the message id: unlike for other messages, its row may exist before the event."""
        return self.message_id


class ConversationMessageReceived(_ConversationEvent):
    """The visitor sent a message."""

    name: ClassVar[str] = "conversation.message_received"
    intake: ClassVar[Intake] = Intake.OBSERVED

    message_id: UUID
    content: Annotated[Body, Personal("conversation_id")]
    channel: Annotated[
        ConversationChannel | None,
        Field(description="Medium of the message, if it is another one than a chat."),
    ] = None


class ConversationReplied(_ConversationEvent):
    """The bot replied."""

    name: ClassVar[str] = "conversation.replied"
    intake: ClassVar[Intake] = Intake.DECIDED

    message_id: UUID
    content: Annotated[Body, Personal("conversation_id")]
    epoch: Annotated[
        Count, Field(description="Takeover epoch that was read before the reply was computed.")
    ]
    in_reply_to: Foreign | None = None


class ConversationAnswered(_ConversationEvent):
    """An agent replied."""

    name: ClassVar[str] = "conversation.answered"
    intake: ClassVar[Intake] = Intake.DECIDED

    message_id: UUID
    content: Annotated[Body, Personal("conversation_id")]
    agent_id: Foreign
    epoch: Annotated[Count | None, Field(description="Takeover epoch that the agent saw.")] = None


class ConversationTakenOver(_ConversationEvent):
    """An agent replaced the bot in the conversation."""

    name: ClassVar[str] = "conversation.taken_over"
    intake: ClassVar[Intake] = Intake.DECIDED

    agent_id: Foreign
    epoch: Annotated[Count, Field(description="The new takeover epoch.")]
    message_id: UUID | None = None
    content: Annotated[
        Body | None,
        Personal("conversation_id"),
        Field(description="System message that informs the visitor."),
    ] = None


class ConversationReleased(_ConversationEvent):
    """The conversation was given back to the bot."""

    name: ClassVar[str] = "conversation.released"
    intake: ClassVar[Intake] = Intake.DECIDED

    epoch: Annotated[Count, Field(description="The new takeover epoch.")]
    released_by: Foreign | None = None
    message_id: UUID | None = None
    content: Annotated[
        Body | None,
        Personal("conversation_id"),
        Field(description="System message that informs the visitor."),
    ] = None


class ConversationWaiting(_ConversationEvent):
    """The conversation waits for an agent."""

    name: ClassVar[str] = "conversation.waiting"
    intake: ClassVar[Intake] = Intake.DECIDED

    reason: Annotated[
        Word,
        Personal("conversation_id"),
        Field(description="Key of the reason, such as `bot_failed`."),
    ]
    message_id: UUID | None = None
    content: Annotated[
        Body | None,
        Personal("conversation_id"),
        Field(description="System message that informs the visitor."),
    ] = None


class ConversationChangeExplained(_ConversationEvent):
    """A person gave the reason for an event of a conversation without a lead."""

    name: ClassVar[str] = "conversation.change_explained"
    optional_ids: ClassVar[frozenset[str]] = frozenset()

    explained_event_id: Foreign
    reason: Annotated[Text, Personal("conversation_id")]
    explained_by: Foreign | None = None
