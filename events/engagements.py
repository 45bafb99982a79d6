"""What leads do that scoring counts, what is noted about them, and time passing."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign, Intake, Personal
from events.fields import Instant, Json, Text, Whole


class EngagementType(StrEnum):
    """What a lead did."""

    CHAT_STARTED = "chat_started"
    CHAT_MESSAGE_SENT = "chat_message_sent"
    EMAIL_OPENED = "email_opened"
    EMAIL_CLICKED = "email_clicked"
    SMS_REPLIED = "sms_replied"
    TOUR_SCHEDULED = "tour_scheduled"
    TOUR_COMPLETED = "tour_completed"
    TOUR_NO_SHOW = "tour_no_show"
    APPLICATION_STARTED = "application_started"
    APPLICATION_SUBMITTED = "application_submitted"
    DOCUMENT_VIEWED = "document_viewed"
    PRICE_CHECK = "price_check"
    UNIT_FAVORITED = "unit_favorited"
    REPEAT_VISIT = "repeat_visit"
    CALL_INBOUND = "call_inbound"
    CALL_OUTBOUND_ANSWERED = "call_outbound_answered"
    WEBSITE_LEAD_SUBMITTED = "website_lead_submitted"


ENGAGEMENT_WEIGHTS: Mapping[EngagementType, int] = MappingProxyType(
    {
        EngagementType.CHAT_STARTED: 5,
        EngagementType.CHAT_MESSAGE_SENT: 3,
        EngagementType.EMAIL_OPENED: 8,
        EngagementType.EMAIL_CLICKED: 15,
        EngagementType.SMS_REPLIED: 20,
        EngagementType.TOUR_SCHEDULED: 25,
        EngagementType.TOUR_COMPLETED: 35,
        EngagementType.TOUR_NO_SHOW: -25,
        EngagementType.APPLICATION_STARTED: 30,
        EngagementType.APPLICATION_SUBMITTED: 40,
        EngagementType.DOCUMENT_VIEWED: 10,
        EngagementType.PRICE_CHECK: 12,
        EngagementType.UNIT_FAVORITED: 15,
        EngagementType.REPEAT_VISIT: 10,
        EngagementType.CALL_INBOUND: 20,
        EngagementType.CALL_OUTBOUND_ANSWERED: 18,
        EngagementType.WEBSITE_LEAD_SUBMITTED: 10,
    }
)
"""The default weight of each kind, frozen into the event when the fact happens."""

DERIVED_ENGAGEMENT = frozenset(
    kind for kind in EngagementType if kind.value.startswith(("tour_", "chat_"))
)
"""Kinds that only the core derives, from tours and chats; nobody sends or enters them."""


class ActivityType(StrEnum):
    """What a line of a lead's activity log is about."""

    LEAD_CREATED = "lead_created"
    NOTE = "note"
    STATUS_CHANGE = "status_change"
    TOUR_SCHEDULED = "tour_scheduled"
    TOUR_BOOKED = "tour_booked"
    TOUR_CONFIRMED = "tour_confirmed"
    TOUR_RESCHEDULED = "tour_rescheduled"
    TOUR_COMPLETED = "tour_completed"
    TOUR_CANCELLED = "tour_cancelled"
    TOUR_NO_SHOW = "tour_no_show"
    EMAIL_SENT = "email_sent"
    SMS_SENT = "sms_sent"
    CALL_MADE = "call_made"
    MESSAGE_RECEIVED = "message_received"
    CHAT_STARTED = "chat_started"
    HUMAN_TAKEOVER = "human_takeover"
    WORKFLOW_STARTED = "workflow_started"
    WORKFLOW_PAUSED = "workflow_paused"
    WORKFLOW_RESUMED = "workflow_resumed"
    WORKFLOW_STOPPED = "workflow_stopped"
    WORKFLOW_COMPLETED = "workflow_completed"
    SCORE_BUCKET_CHANGED = "score_bucket_changed"


REPORTED_ACTIVITIES = frozenset(
    {
        ActivityType.NOTE,
        ActivityType.CALL_MADE,
        ActivityType.EMAIL_SENT,
        ActivityType.SMS_SENT,
        ActivityType.MESSAGE_RECEIVED,
    }
)
"""Kinds that people and producers may report; the others follow from events of their own."""


class EngagementRecorded(Event):
    """A lead did something that counts, with the weight that counted at the time."""

    name: ClassVar[str] = "engagement.recorded"
    stream: ClassVar[str] = "engagement"
    entity: ClassVar[str] = "engagement_id"
    intake: ClassVar[Intake] = Intake.OBSERVED
    told: ClassVar[frozenset[str]] = frozenset({"score_weight"})

    engagement_id: UUID
    lead_id: UUID
    event_type: EngagementType
    score_weight: Annotated[Whole, Field(ge=-100, le=100)]
    metadata: Annotated[Json, Personal("lead_id")] = Field(default_factory=dict)

    @classmethod
    def complete(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """What a producer sent, with the weight it may leave out."""
        try:
            weight = ENGAGEMENT_WEIGHTS[EngagementType(sent["event_type"])]
        except (KeyError, ValueError):
            return sent
        return {"score_weight": weight, **sent}

    def why_not_from_producer(self) -> str | None:
        """Why a producer may not send this one."""
        if self.event_type in DERIVED_ENGAGEMENT:
            return f"{self.event_type} is derived from tours and chats: send those instead"
        return None


class ActivityRecorded(Event):
    """Somebody did something for a lead that leaves no other event."""

    name: ClassVar[str] = "activity.recorded"
    stream: ClassVar[str] = "activity"
    entity: ClassVar[str] = "activity_id"
    intake: ClassVar[Intake] = Intake.OBSERVED

    activity_id: UUID
    lead_id: UUID
    type: ActivityType
    description: Annotated[Text | None, Personal("lead_id")] = None
    metadata: Annotated[Json, Personal("lead_id")] = Field(default_factory=dict)
    created_by: Foreign | None = None

    def why_not_from_producer(self) -> str | None:
        """Why a producer may not send this one."""
        if self.type not in REPORTED_ACTIVITIES:
            return f"{self.type} follows from an event of its own: send that instead"
        return None


class ScoreDue(Event):
    """Time alone may have changed a lead's score: this only moves the lead's clock."""

    name: ClassVar[str] = "score.due"
    stream: ClassVar[str] = "score"
    entity: ClassVar[str] = "lead_id"

    lead_id: UUID
    due_at: Instant
