"""The shapes of engagement and scores."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from events.engagements import DERIVED_ENGAGEMENT, EngagementType
from services.api.schemas import example
from services.api.schemas.schema import Answered, Examples, Free, Instant, Sent

MOST_LEADS = 1_000
BY_HAND = sorted(set(EngagementType) - DERIVED_ENGAGEMENT)


class EngagementSent(Sent):
    """Something a lead did."""

    examples: ClassVar[Examples] = {
        "an opened mail": {
            "leadId": example.LEAD,
            "eventType": "email_opened",
            "metadata": {"campaign": "spring"},
        }
    }

    lead_id: UUID
    event_type: Annotated[str, Field(max_length=100, json_schema_extra={"enum": [*BY_HAND]})]
    metadata: Free = Field(default_factory=dict)


class ScoringSent(Sent):
    """Whose score is asked for: one of the three."""

    examples: ClassVar[Examples] = {
        "one lead": {"leadId": example.LEAD},
        "some leads": {"leadIds": [example.LEAD]},
        "all leads of a property": {"propertyId": example.PROPERTY},
    }

    lead_id: UUID | None = None
    lead_ids: Annotated[list[UUID], Field(max_length=MOST_LEADS)] | None = None
    property_id: UUID | None = None


class EngagementSeen(Answered):
    """Something a lead did, with the weight it had when it happened."""

    id: UUID
    event_type: EngagementType
    metadata: dict[str, Any]
    score_weight: int
    created_at: Instant


class Engagements(Answered):
    """What a lead did, newest first."""

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

    events: list[EngagementSeen]


class EngagementTaken(Answered):
    """What was recorded."""

    id: UUID
    lead_id: UUID
    event_type: EngagementType
    score_weight: int
    created_at: Instant


class EngagementNoted(Answered):
    """It counts; scores follow by themselves."""

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
    event: EngagementTaken
    rescored: Literal[True]


class FactorShown(Answered):
    """Why a score is what it is; the impacts sum to the total."""

    factor: str
    impact: Annotated[str, Field(pattern=r"^[+-]\d+$")]
    type: Literal["positive", "negative"]


class ScoreShown(Answered):
    """A score as of now; `id` is that of the last row of its history."""

    id: UUID | None
    lead_id: UUID
    total_score: Annotated[int, Field(ge=0, le=100)]
    engagement_score: int
    timing_score: int
    source_score: int
    completeness_score: int
    behavior_score: int
    score_bucket: Literal["hot", "warm", "cold", "unqualified"]
    factors: list[FactorShown]
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


class ScoreRead(Answered):
    """A lead's score; `isNew` where time has changed it since the history's last row."""

    examples: ClassVar[Examples] = {"a score": {"score": _SCORE, "isNew": False}}

    score: ScoreShown
    is_new: bool


class Rescored(Answered):
    """One lead's score."""

    examples: ClassVar[Examples] = {"one lead": {"success": True, "score": _SCORE}}

    success: Literal[True]
    score: ScoreShown


class RescoredMany(Answered):
    """How many of the leads there are: their scores are current."""

    examples: ClassVar[Examples] = {
        "some leads": {"success": True, "processed": 2, "successful": 1, "failed": 1}
    }

    success: Literal[True]
    processed: int
    successful: int
    failed: int
