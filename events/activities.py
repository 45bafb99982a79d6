"""Activities: entries of a lead's activity log that are entered by hand or by a producer."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Foreign, Intake, Personal
from events.fields import Json, Text


class ActivityType(StrEnum):
    """The kind of an entry in a lead's activity log."""

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
    WORKFLOW_MOVED = "workflow_moved"
    WORKFLOW_COMPLETED = "workflow_completed"
    TASK_CREATED = "task_created"
    TASK_ASSIGNED = "task_assigned"
    TASK_DUE = "task_due"
    TASK_DONE = "task_done"
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
"""Kinds that users and producers may enter; all others are derived from other events."""


class ActivityRecorded(Event):
    """An action for a lead that no other event records, such as a call or a note."""

    name: ClassVar[str] = "activity.recorded"
    stream: ClassVar[str] = "activity"
    entity: ClassVar[str] = "activity_id"
    intake: ClassVar[Intake] = Intake.OBSERVED
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}
    producer_values: ClassVar[Mapping[str, frozenset[str]]] = {"type": REPORTED_ACTIVITIES}

    activity_id: UUID
    lead_id: UUID
    type: ActivityType
    description: Annotated[Text | None, Personal("lead_id")] = None
    metadata: Annotated[Json, Personal("lead_id")] = Field(default_factory=dict)
    created_by: Foreign | None = None
