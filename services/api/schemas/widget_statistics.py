"""The shapes of what is shown to those who look after a property's widget."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import Answered, AnsweredRow, Examples, Instant


class AdminConversation(AnsweredRow):
    """A conversation of the widget, for those who look after it."""

    id: UUID
    lead_name: str | None
    lead_email: str | None
    message_count: int
    is_human_mode: bool
    created_at: Instant
    last_message: str | None


class AdminConversations(Answered):
    """The widget's newest conversations; of the last message at most 50 characters."""

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

    conversations: list[AdminConversation]


class WidgetStats(Answered):
    """What the widget brought in a range of time, all of it measured.

    `leadsCapture` are the leads whose sessions began in the range, each counted once;
    `toursBooked` the tours visitors booked themselves; `avgResponseTime` the mean seconds from a
    visitor's message to the next answer, a bot's or an agent's, both in the range, and null where
    nothing was answered; `conversionRate` is leads per hundred sessions: a percentage, 12.5 and
    not 0.125, and 0 where there was no session.
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
