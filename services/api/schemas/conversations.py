"""The shapes of the console's conversations."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from fastapi import Path
from pydantic import Field

from events.fields import Body
from services.api.schemas import example
from services.api.schemas.schema import Answered, AnsweredRow, Examples, Id, Instant, Sent

ConversationId = Annotated[UUID, Path(examples=[example.CONVERSATION])]
Role = Literal["user", "assistant", "system"]


class AnswerSent(Sent):
    """What the agent in charge says; sent again with the same `messageId` it is one message."""

    examples: ClassVar[Examples] = {
        "an answer": {"content": "This is Sam: Saturday at two is free."},
    }

    content: Body
    message_id: Id = None


class TalkingLead(AnsweredRow):
    """Whose conversation it is."""

    id: UUID
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    status: str | None


class LastMessage(AnsweredRow):
    """What was said last, at most 50 characters of it."""

    content: str | None
    role: Role
    created_at: Instant


class ConversationLine(AnsweredRow):
    """A conversation in a list."""

    id: UUID
    channel: str | None
    created_at: Instant
    is_human_mode: bool
    human_agent_id: UUID | None
    waiting_for_human: bool
    lead: TalkingLead | None
    message_count: Annotated[int, Field(alias="messageCount")]
    last_message: Annotated[LastMessage | None, Field(alias="lastMessage")]


class ConversationRow(AnsweredRow):
    """A conversation as it is in its table; `human_agent_id` is who has it, or had it last."""

    id: UUID
    property_id: UUID
    lead_id: UUID | None
    widget_session_id: UUID | None
    channel: str | None
    created_at: Instant
    is_human_mode: bool
    human_agent_id: UUID | None
    human_started_at: Instant | None
    human_ended_at: Instant | None
    takeover_epoch: int
    waiting_for_human: bool
    message_count: int


class MessageRow(AnsweredRow):
    """A message; `author` is visitor, bot, agent or system, null where the host had not kept it."""

    id: UUID
    conversation_id: UUID
    role: Role
    content: str | None
    author: str | None
    human_agent_id: UUID | None
    created_at: Instant


class ConversationRead(ConversationRow):
    """A conversation with its lead and messages, in the order in which they were said."""

    lead: TalkingLead | None
    messages: list[MessageRow]


_LEAD = {
    "id": example.LEAD,
    "first_name": "Ada",
    "last_name": None,
    "email": "ada@example.com",
    "phone": None,
    "status": "new",
}
_ROW: dict[str, Any] = {
    "id": example.CONVERSATION,
    "property_id": example.PROPERTY,
    "lead_id": example.LEAD,
    "widget_session_id": example.SESSION,
    "channel": "widget",
    "created_at": example.AT,
    "is_human_mode": True,
    "human_agent_id": example.AGENT,
    "human_started_at": example.AT,
    "human_ended_at": None,
    "takeover_epoch": 1,
    "waiting_for_human": False,
    "message_count": 1,
}
_MESSAGE = {
    "id": example.MESSAGE,
    "conversation_id": example.CONVERSATION,
    "role": "assistant",
    "content": "This is Sam: Saturday at two is free.",
    "author": "agent",
    "human_agent_id": example.AGENT,
    "created_at": example.AT,
}


class Conversations(Answered):
    """The newest conversations, newest first."""

    examples: ClassVar[Examples] = {
        "one with its last message": {
            "conversations": [
                {
                    **{name: _ROW[name] for name in (
                        "id", "channel", "created_at", "is_human_mode", "human_agent_id",
                        "waiting_for_human",
                    )},
                    "lead": _LEAD,
                    "messageCount": 1,
                    "lastMessage": {
                        "content": "This is Sam: Saturday at two is free.",
                        "role": "assistant",
                        "created_at": example.AT,
                    },
                }
            ]
        }
    }  # fmt: skip

    conversations: list[ConversationLine]


class OneConversation(Answered):
    """One conversation, whole."""

    examples: ClassVar[Examples] = {
        "a conversation": {"conversation": {**_ROW, "lead": _LEAD, "messages": [_MESSAGE]}}
    }

    conversation: ConversationRead


class HandedOver(Answered):
    """The conversation as it is now; `message` is what the visitor is told of it."""

    examples: ClassVar[Examples] = {
        "taken over": {
            "success": True,
            "conversation": _ROW,
            "message": "Somebody of our team has joined the chat and will answer you here.",
        }
    }

    success: Literal[True]
    conversation: ConversationRow
    message: str


class AgentAnswered(Answered):
    """The message as the visitor sees it."""

    examples: ClassVar[Examples] = {"an answer": {"success": True, "message": _MESSAGE}}

    success: Literal[True]
    message: MessageRow
