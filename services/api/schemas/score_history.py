"""Response with the history of a lead's score."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel
from services.api.schemas.scores import ScoreFactor


class ScoreEvent(ResponseModel):
    """An event that moved a score."""

    id: UUID
    type: str


class ScoreChange(ResponseModel):
    """A row of the score history.

    - `change`: by how much the total moved; for the first row its total.
    - `parts`: by how much each part moved; the limits of 0 and 100 may take some of it away.
    - `events`: the events of this instant; without any, time alone moved the score.
    """

    id: UUID
    total_score: Annotated[int, Field(ge=0, le=100)]
    score_bucket: Literal["hot", "warm", "cold", "unqualified"]
    factors: list[ScoreFactor]
    scored_at: Instant
    model_version: str
    change: int
    parts: dict[str, int]
    events: list[ScoreEvent]


class ScoreHistoryResponse(ResponseModel):
    """The newest changes of a lead's score, newest first. `isComplete`: there are no older ones."""

    examples: ClassVar[Examples] = {
        "the first score": {
            "scores": [
                {
                    "id": example.ROW,
                    "totalScore": 20,
                    "scoreBucket": "cold",
                    "factors": [
                        {"factor": "Email provided", "impact": "+8", "type": "positive"},
                        {"factor": "Source: Google", "impact": "+12", "type": "positive"},
                    ],
                    "scoredAt": example.AT,
                    "modelVersion": "v1.0",
                    "change": 20,
                    "parts": {"source": 12, "completeness": 8},
                    "events": [{"id": example.EVENT, "type": "lead.captured"}],
                }
            ],
            "isComplete": True,
        }
    }

    scores: list[ScoreChange]
    is_complete: bool
