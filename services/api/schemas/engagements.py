"""Requests and responses of engagements."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from events.engagements import DERIVED_ENGAGEMENT, EngagementType
from services.api.schemas import example
from services.api.schemas.schema import Examples, FreeJson, Instant, RequestModel, ResponseModel

RECORDABLE_TYPES = sorted(set(EngagementType) - DERIVED_ENGAGEMENT)


class EngagementRequest(RequestModel):
    """An engagement of a lead."""

    examples: ClassVar[Examples] = {
        "an opened mail": {
            "leadId": example.LEAD,
            "eventType": "email_opened",
            "metadata": {"campaign": "spring"},
        }
    }

    lead_id: UUID
    event_type: Annotated[
        str, Field(max_length=100, json_schema_extra={"enum": [*RECORDABLE_TYPES]})
    ]
    metadata: FreeJson = Field(default_factory=dict)


class EngagementItem(ResponseModel):
    """An engagement with the score weight that it had when it happened."""

    id: UUID
    event_type: EngagementType
    metadata: dict[str, Any]
    score_weight: int
    created_at: Instant


class EngagementListResponse(ResponseModel):
    """The newest engagements of a lead, newest first."""

    examples: ClassVar[Examples] = {
        "an opened mail": {
            "events": [
                {
                    "id": example.ROW,
                    "eventType": "email_opened",
                    "metadata": {},
                    "scoreWeight": 8,
                    "createdAt": example.AT,
                }
            ]
        }
    }

    events: list[EngagementItem]


class NewEngagement(ResponseModel):
    """The recorded engagement."""

    id: UUID
    lead_id: UUID
    event_type: EngagementType
    score_weight: int
    created_at: Instant


class EngagementResponse(ResponseModel):
    """The recorded engagement. The lead's score is computed from it without another request."""

    examples: ClassVar[Examples] = {
        "an opened mail": {
            "success": True,
            "event": {
                "id": example.ROW,
                "leadId": example.LEAD,
                "eventType": "email_opened",
                "scoreWeight": 8,
                "createdAt": example.AT,
            },
            "rescored": True,
        }
    }

    success: Literal[True]
    event: NewEngagement
    rescored: Literal[True]
