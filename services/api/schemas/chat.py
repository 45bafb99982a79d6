"""The shapes of the widget's chat."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AliasChoices, Field

from events.fields import Body, Line
from services.api.schemas import example
from services.api.schemas.schema import Answered, Examples, Id, Instant, Sent

LONGEST_TRANSCRIPT = 500


class LeadInfo(Sent):
    """Who the visitor says it is; older clients write snake_case."""

    first_name: Line | None = Field(None, validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Line | None = Field(None, validation_alias=AliasChoices("lastName", "last_name"))
    email: Line | None = None
    phone: Line | None = None


class TranscriptLine(Sent):
    """A line of the client's own transcript: only the visitor's last one counts."""

    role: str = ""
    content: Any = None


class ChatSent(Sent):
    """One turn: the transcript so far, or the message alone. The client's ids make it one turn."""

    examples: ClassVar[Examples] = {
        "a message": {"message": "Do you have two bedrooms free in May?"},
        "a transcript": {
            "messages": [
                {"role": "assistant", "content": "Hello! How can I help?"},
                {"role": "user", "content": "Can I come by on Saturday?"},
            ],
            "sessionId": example.SESSION,
        },
        "a message of somebody who says who it is": {
            "message": "I am Ada, please write to me.",
            "sessionId": example.SESSION,
            "messageId": "6f1c2d3e-4b5a-4c6d-8e7f-9a0b1c2d3e08",
            "leadInfo": {"firstName": "Ada", "email": "ada@example.com"},
        },
    }

    messages: Annotated[list[TranscriptLine], Field(max_length=LONGEST_TRANSCRIPT)] | None = None
    message: Body | None = None
    session_id: Id = None
    conversation_id: Id = None
    message_id: Id = None
    lead_info: LeadInfo | None = None


class ChatTurned(Answered):
    """What the visitor is told; no content while a person has the conversation.

    `sessionToken` is for X-Session-Token: the only way back for who sends no X-Visitor-ID."""

    examples: ClassVar[Examples] = {
        "a reply": {
            "content": "Yes, from the tenth of May.",
            "sessionId": example.SESSION,
            "sessionToken": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl",
            "conversationId": example.CONVERSATION,
            "shouldPromptLeadCapture": False,
            "leadCapturePrompt": None,
            "wantsTour": False,
            "isHumanMode": False,
            "waitingForHuman": False,
        }
    }

    content: str | None
    session_id: UUID
    session_token: str
    conversation_id: UUID
    should_prompt_lead_capture: bool
    lead_capture_prompt: str | None
    wants_tour: bool
    is_human_mode: bool
    waiting_for_human: bool


class MessageSeen(Answered):
    """One message; `author` tells an agent's from the bot's."""

    id: UUID
    conversation_id: UUID
    role: Literal["user", "assistant", "system"]
    content: str
    author: str | None
    created_at: Instant


class MessagesSince(Answered):
    """What was said, oldest first; `after` is where the next question goes on."""

    examples: ClassVar[Examples] = {
        "an agent answered": {
            "messages": [
                {
                    "id": example.MESSAGE,
                    "conversationId": example.CONVERSATION,
                    "role": "assistant",
                    "content": "This is Sam: Saturday at two is free.",
                    "author": "agent",
                    "createdAt": example.AT,
                }
            ],
            "after": example.MESSAGE,
            "conversationId": example.CONVERSATION,
            "isHumanMode": True,
            "waitingForHuman": True,
        }
    }

    messages: list[MessageSeen]
    after: str | None
    conversation_id: UUID | None
    is_human_mode: bool
    waiting_for_human: bool
