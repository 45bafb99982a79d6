"""Engagements: recorded actions of a lead that have a score weight."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from events.event import Event, Intake, Personal
from events.fields import Json, Whole


class EngagementType(StrEnum):
    """The kind of an engagement."""

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
"""The default score weight of each kind. The event stores the weight that applied at its time."""

DERIVED_ENGAGEMENT = frozenset(
    kind for kind in EngagementType if kind.value.startswith(("tour_", "chat_"))
)
"""Kinds that only the core derives, from tours and chats; no user or producer enters them."""


class EngagementRecorded(Event):
    """A lead performed an action that counts in its score."""

    name: ClassVar[str] = "engagement.recorded"
    stream: ClassVar[str] = "engagement"
    entity: ClassVar[str] = "engagement_id"
    intake: ClassVar[Intake] = Intake.OBSERVED
    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}
    derivable: ClassVar[frozenset[str]] = frozenset({"score_weight"})
    producer_values: ClassVar[Mapping[str, frozenset[str]]] = {
        "event_type": frozenset(EngagementType) - DERIVED_ENGAGEMENT
    }

    engagement_id: UUID
    lead_id: UUID
    event_type: EngagementType
    score_weight: Annotated[
        Whole, Field(ge=-100, le=100, description="Score weight that applied at the time.")
    ]
    metadata: Annotated[Json, Personal("lead_id")] = Field(default_factory=dict)

    @classmethod
    def derive(cls, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the payload with the default weight of its kind where the weight was omitted."""
        try:
            weight = ENGAGEMENT_WEIGHTS[EngagementType(payload["event_type"])]
        except (KeyError, ValueError):
            return payload
        return {"score_weight": weight, **payload}
