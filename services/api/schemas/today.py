"""Response of the work of a day."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.conversations import (
    LEAD_EXAMPLE,
    ConversationLead,
    ConversationSummary,
)
from services.api.schemas.schema import (
    Examples,
    Instant,
    LocalTimeText,
    ResponseModel,
    ResponseRow,
)
from services.api.schemas.tasks import TaskStatus

CallReason = Literal["waiting_for_person", "newly_hot", "hot", "no_contact"]
"""The reasons to call a lead, the most urgent first."""


class ReasonToCall(ResponseRow):
    """A reason, and since when it holds. `conversation_id` is the conversation that waits."""

    reason: CallReason
    since: Instant
    conversation_id: UUID | None


class LeadToCall(ConversationLead):
    """A lead whom an agent should call, with the reasons, the most urgent first."""

    source: str | None
    created_at: Instant
    last_contacted_at: Instant | None
    score: Annotated[int, Field(ge=0, le=100)] | None
    score_bucket: Literal["hot", "warm", "cold", "unqualified"] | None
    reasons: list[ReasonToCall]


class TourToday(ResponseRow):
    """A tour at its local time, with its lead and the agent who shows the property."""

    id: UUID
    tour_date: date
    tour_time: LocalTimeText
    tour_type: str
    status: str
    starts_at: Instant | None
    duration_minutes: int
    notes: str | None
    assigned_agent_id: UUID | None
    agent_name: str | None
    lead: ConversationLead


class OpenTask(ResponseRow):
    """A task that nobody has done yet."""

    id: UUID
    title: str
    notes: str | None
    status: TaskStatus
    due_at: Instant | None
    assigned_agent_id: UUID | None
    agent_name: str | None
    lead: ConversationLead


class TodayResponse(ResponseModel):
    """The work of a day at a property. `hasMore…` says that a list is cut at its limit."""

    examples: ClassVar[Examples] = {
        "a day": {
            "date": example.TOUR_DATE,
            "timeZone": "America/New_York",
            "leads": [
                {
                    **LEAD_EXAMPLE,
                    "source": "Walk-in",
                    "created_at": example.AT,
                    "last_contacted_at": None,
                    "score": 82,
                    "score_bucket": "hot",
                    "reasons": [
                        {"reason": "newly_hot", "since": example.AT, "conversation_id": None}
                    ],
                }
            ],
            "hasMoreLeads": False,
            "tours": [
                {
                    "id": example.TOUR,
                    "tour_date": example.TOUR_DATE,
                    "tour_time": "14:00:00",
                    "tour_type": "in_person",
                    "status": "confirmed",
                    "starts_at": "2036-05-14T18:00:00Z",
                    "duration_minutes": 30,
                    "notes": None,
                    "assigned_agent_id": example.AGENT,
                    "agent_name": "Sam",
                    "lead": LEAD_EXAMPLE,
                }
            ],
            "conversations": [
                {
                    "id": example.CONVERSATION,
                    "channel": "widget",
                    "created_at": example.AT,
                    "is_human_mode": False,
                    "human_agent_id": None,
                    "human_agent_name": None,
                    "waiting_for_human": True,
                    "waiting_since": example.AT,
                    "lead": LEAD_EXAMPLE,
                    "messageCount": 3,
                    "lastMessage": {
                        "content": "Can I talk to somebody?",
                        "role": "user",
                        "created_at": example.AT,
                    },
                }
            ],
            "hasMoreConversations": False,
            "tasks": [
                {
                    "id": example.TASK,
                    "title": "Call back",
                    "notes": "In the evening",
                    "status": "due",
                    "due_at": example.AT,
                    "assigned_agent_id": None,
                    "agent_name": None,
                    "lead": LEAD_EXAMPLE,
                }
            ],
            "hasMoreTasks": False,
        }
    }

    date: Annotated[date, Field(description="Today in the time zone of the property.")]
    time_zone: str
    leads: list[LeadToCall]
    has_more_leads: bool
    tours: Annotated[list[TourToday], Field(description="Those of today and tomorrow, in order.")]
    conversations: list[ConversationSummary]
    has_more_conversations: bool
    tasks: Annotated[list[OpenTask], Field(description="By their due time.")]
    has_more_tasks: bool
