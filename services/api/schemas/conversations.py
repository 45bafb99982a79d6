"""Responses of conversations in the console."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from fastapi import Path
from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import (
    Examples,
    Instant,
    ResponseModel,
    ResponseRow,
)

ConversationId = Annotated[UUID, Path(examples=[example.CONVERSATION])]
Role = Literal["user", "assistant", "system"]


class ConversationLead(ResponseRow):
    """The lead of a conversation."""

    id: UUID
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    status: str | None


class LastMessage(ResponseRow):
    """The newest message, shortened to 50 characters."""

    content: str | None
    role: Role
    created_at: Instant


class ConversationSummary(ResponseRow):
    """A conversation in a list.

    `waiting_since` is the message since which the visitor waits for a person: the bot gave up, or
    the agent in charge has not replied yet. It is null if nobody waits.
    """

    id: UUID
    channel: str | None
    created_at: Instant
    is_human_mode: bool
    human_agent_id: UUID | None
    human_agent_name: str | None
    waiting_for_human: bool
    waiting_since: Instant | None
    lead: ConversationLead | None
    message_count: Annotated[int, Field(alias="messageCount")]
    last_message: Annotated[LastMessage | None, Field(alias="lastMessage")]


class ConversationRow(ResponseRow):
    """A conversation as it is in its table.

    `human_agent_id` is the agent who has taken it over, or who did so last.
    """

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


class MessageRow(ResponseRow):
    """A message. `author` is visitor, bot, agent or system; null if the host did not store it."""

    id: UUID
    conversation_id: UUID
    role: Role
    content: str | None
    author: str | None
    human_agent_id: UUID | None
    created_at: Instant


class SignedMessage(MessageRow):
    """A message with the name of the agent who wrote it."""

    agent_name: str | None


class ConversationDetail(ConversationRow):
    """A conversation with its lead and its messages, oldest first."""

    human_agent_name: str | None
    waiting_since: Instant | None
    lead: ConversationLead | None
    messages: list[SignedMessage]


LEAD_EXAMPLE = {
    "id": example.LEAD,
    "first_name": "Ada",
    "last_name": None,
    "email": "ada@example.com",
    "phone": None,
    "status": "new",
}
CONVERSATION_EXAMPLE: dict[str, Any] = {
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
MESSAGE_EXAMPLE = {
    "id": example.MESSAGE,
    "conversation_id": example.CONVERSATION,
    "role": "assistant",
    "content": "This is Sam: Saturday at two is free.",
    "author": "agent",
    "human_agent_id": example.AGENT,
    "created_at": example.AT,
}


class ConversationListResponse(ResponseModel):
    """The newest conversations, newest first."""

    examples: ClassVar[Examples] = {
        "one with its last message": {
            "conversations": [
                {
                    **{name: CONVERSATION_EXAMPLE[name] for name in (
                        "id", "channel", "created_at", "is_human_mode", "human_agent_id",
                        "waiting_for_human",
                    )},
                    "human_agent_name": "Sam",
                    "waiting_since": None,
                    "lead": LEAD_EXAMPLE,
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

    conversations: list[ConversationSummary]


class ConversationResponse(ResponseModel):
    """One conversation with its messages."""

    examples: ClassVar[Examples] = {
        "a conversation": {
            "conversation": {
                **CONVERSATION_EXAMPLE,
                "human_agent_name": "Sam",
                "waiting_since": None,
                "lead": LEAD_EXAMPLE,
                "messages": [{**MESSAGE_EXAMPLE, "agent_name": "Sam"}],
            }
        }
    }

    conversation: ConversationDetail
