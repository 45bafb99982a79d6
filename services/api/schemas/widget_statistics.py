"""Responses of a widget's conversations and statistics in the console."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel, ResponseRow


class WidgetConversation(ResponseRow):
    """A conversation of the widget."""

    id: UUID
    lead_name: str | None
    lead_email: str | None
    message_count: int
    is_human_mode: bool
    created_at: Instant
    last_message: str | None


class WidgetConversationListResponse(ResponseModel):
    """The newest conversations of the widget. The last message is shortened to 50 characters."""

    examples: ClassVar[Examples] = {
        "one conversation": {
            "conversations": [
                {
                    "id": example.CONVERSATION,
                    "lead_name": "Ada Lovelace",
                    "lead_email": "ada@example.com",
                    "message_count": 4,
                    "is_human_mode": False,
                    "created_at": example.AT,
                    "last_message": "Yes, from the tenth of May.",
                }
            ]
        }
    }

    conversations: list[WidgetConversation]


class WidgetStatisticsResponse(ResponseModel):
    """Measured numbers of a widget in a time range.

    - `leadsCapture`: leads whose sessions began in the range, and leads that left their contact or
      booked a tour in the range without a session; each person counts once.
    - `toursBooked`: tours that visitors booked themselves.
    - `avgResponseTime`: mean seconds from a visitor's message to the next reply of bot or agent,
      both in the range; null without any reply.
    - `conversionRate`: leads with a session per hundred sessions, as a percentage (12.5, not
      0.125); 0 without sessions.
    """

    examples: ClassVar[Examples] = {
        "a month": {
            "totalSessions": 120,
            "totalConversations": 96,
            "leadsCapture": 15,
            "toursBooked": 6,
            "avgResponseTime": 3.2,
            "conversionRate": 12.5,
        }
    }

    total_sessions: Annotated[int, Field(ge=0)]
    total_conversations: Annotated[int, Field(ge=0)]
    leads_capture: Annotated[int, Field(ge=0)]
    tours_booked: Annotated[int, Field(ge=0)]
    avg_response_time: Annotated[float, Field(ge=0)] | None
    conversion_rate: Annotated[float, Field(ge=0, le=100)]
