"""Requests and responses of scores."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, RequestModel, ResponseModel

MAX_LEADS = 1_000


class ScoreRequest(RequestModel):
    """The leads to score: one lead, a list, or all leads of a property."""

    examples: ClassVar[Examples] = {
        "one lead": {"leadId": example.LEAD},
        "some leads": {"leadIds": [example.LEAD]},
        "all leads of a property": {"propertyId": example.PROPERTY},
    }

    lead_id: UUID | None = None
    lead_ids: Annotated[list[UUID], Field(max_length=MAX_LEADS)] | None = None
    property_id: UUID | None = None


class ScoreFactor(ResponseModel):
    """A factor of a score. All impacts sum to the total."""

    factor: str
    impact: Annotated[str, Field(pattern=r"^[+-]\d+$")]
    type: Literal["positive", "negative"]


class LeadScore(ResponseModel):
    """A current score. `id` is the id of the last row of its history."""

    id: UUID | None
    lead_id: UUID
    total_score: Annotated[int, Field(ge=0, le=100)]
    engagement_score: int
    timing_score: int
    source_score: int
    completeness_score: int
    behavior_score: int
    score_bucket: Literal["hot", "warm", "cold", "unqualified"]
    factors: list[ScoreFactor]
    scored_at: Instant
    model_version: str


_SCORE = {
    "id": example.ROW,
    "leadId": example.LEAD,
    "totalScore": 40,
    "engagementScore": 8,
    "timingScore": 12,
    "sourceScore": 12,
    "completenessScore": 8,
    "behaviorScore": 0,
    "scoreBucket": "cold",
    "factors": [
        {"factor": "Email provided", "impact": "+8", "type": "positive"},
        {"factor": "Source: Google", "impact": "+12", "type": "positive"},
        {"factor": "Engagement", "impact": "+8", "type": "positive"},
        {"factor": "Timing", "impact": "+12", "type": "positive"},
    ],
    "scoredAt": example.AT,
    "modelVersion": "v1.0",
}


class ScoreResponse(ResponseModel):
    """A lead's score. `isNew`: time has changed it since the last row of its history."""

    examples: ClassVar[Examples] = {"a score": {"score": _SCORE, "isNew": False}}

    score: LeadScore
    is_new: bool


class RescoreResponse(ResponseModel):
    """The score of one lead."""

    examples: ClassVar[Examples] = {"one lead": {"success": True, "score": _SCORE}}

    success: Literal[True]
    score: LeadScore


class BulkRescoreResponse(ResponseModel):
    """Number of the requested leads that exist. Their scores are always current."""

    examples: ClassVar[Examples] = {
        "some leads": {"success": True, "processed": 2, "successful": 1, "failed": 1}
    }

    success: Literal[True]
    processed: int
    successful: int
    failed: int
