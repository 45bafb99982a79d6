"""Requests and responses of the widget's chat."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AliasChoices, Field

from events.fields import Body, Line
from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, OptionalId, RequestModel, ResponseModel
from services.api.schemas.visitor_details import VisitorRequest

MAX_TRANSCRIPT_LINES = 500


class LeadInfo(VisitorRequest):
    """The visitor's contact details. Older clients send snake_case."""

    first_name: Line | None = Field(None, validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Line | None = Field(None, validation_alias=AliasChoices("lastName", "last_name"))
    email: Line | None = None
    phone: Line | None = None


class TranscriptLine(RequestModel):
    """A line of the client's transcript. Only the last line of the visitor is used."""

    role: str = ""
    content: Any = None


class ChatRequest(RequestModel):
    """A chat turn: the transcript so far, or the new message alone.

    With a `messageId`, the same message sent again is the same turn.
    """

    examples: ClassVar[Examples] = {
        "a message": {"message": "Do you have two bedrooms free in May?"},
        "a transcript": {
            "messages": [
                {"role": "assistant", "content": "Hello! How can I help?"},
                {"role": "user", "content": "Can I come by on Saturday?"},
            ],
            "sessionId": example.SESSION,
        },
        "a message with contact details": {
            "message": "I am Ada, please write to me.",
            "sessionId": example.SESSION,
            "messageId": "6f1c2d3e-4b5a-4c6d-8e7f-9a0b1c2d3e08",
            "leadInfo": {"firstName": "Ada", "email": "ada@example.com"},
        },
    }

    messages: Annotated[list[TranscriptLine], Field(max_length=MAX_TRANSCRIPT_LINES)] | None = None
    message: Body | None = None
    session_id: OptionalId = None
    conversation_id: OptionalId = None
    message_id: OptionalId = None
    lead_info: LeadInfo | None = None


class ChatResponse(ResponseModel):
    """The reply. `content` is null while an agent has taken the conversation over.

    `sessionToken` is the value for X-Session-Token. A visitor without X-Visitor-ID needs it to
    continue the session, and uses the newest one, because a token expires. It is null in the
    response to a repeated request that proves nothing: whoever repeats it may be somebody else.
    """

    examples: ClassVar[Examples] = {
        "a reply": {
            "content": "Yes, from the tenth of May.",
            "sessionId": example.SESSION,
            "sessionToken": example.SESSION_TOKEN,
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
    session_token: str | None
    conversation_id: UUID
    should_prompt_lead_capture: bool
    lead_capture_prompt: str | None
    wants_tour: bool
    is_human_mode: bool
    waiting_for_human: bool


class SessionMessage(ResponseModel):
    """A message. `author` distinguishes agent and bot."""

    id: UUID
    conversation_id: UUID
    role: Literal["user", "assistant", "system"]
    content: str
    author: str | None
    created_at: Instant


class SessionMessagesResponse(ResponseModel):
    """Messages, oldest first. `after` and `sessionToken` are values for the next request."""

    examples: ClassVar[Examples] = {
        "a message of an agent": {
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
            "sessionToken": example.SESSION_TOKEN,
            "conversationId": example.CONVERSATION,
            "isHumanMode": True,
            "waitingForHuman": True,
        }
    }

    messages: list[SessionMessage]
    after: str | None
    session_token: str
    conversation_id: UUID | None
    is_human_mode: bool
    waiting_for_human: bool
