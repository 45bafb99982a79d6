"""The shape of insights."""

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from services.api.schemas.schema import Answered, Examples

MOST_FACTORS = 5
MOST_DAYS = 14

Average = Annotated[float, Field(ge=0, le=100)]


class BucketShown(Answered):
    """The leads of one bucket: how many, their share in per cent, their average score."""

    bucket: Literal["hot", "warm", "cold", "unqualified"]
    count: int
    percentage: Annotated[float, Field(ge=0, le=100)]
    avg_score: Average


class FactorCounted(Answered):
    """How many leads a factor speaks for, or against."""

    factor: str
    count: int


class TopFactors(Answered):
    """The most frequent factors of current scores."""

    positive: Annotated[list[FactorCounted], Field(max_length=MOST_FACTORS)]
    negative: Annotated[list[FactorCounted], Field(max_length=MOST_FACTORS)]


class DayShown(Answered):
    """A day in the property's zone: the leads scored on it, by their last score of the day."""

    date: date
    avg_score: Average
    hot_leads: int


class InsightsFound(Answered):
    """All leads of the property; of those scored in the days asked for, each counted once."""

    total_leads: int
    scored_leads: int
    avg_score: Average
    distribution: Annotated[list[BucketShown], Field(min_length=4, max_length=4)]
    top_factors: TopFactors
    recent_trend: Annotated[list[DayShown], Field(max_length=MOST_DAYS)]


class InsightsRead(Answered):
    """What the scores of a property's leads say."""

    examples: ClassVar[Examples] = {
        "four leads, two of them scored lately": {
            "insights": {
                "totalLeads": 4,
                "scoredLeads": 2,
                "avgScore": 55.5,
                "distribution": [
                    {"bucket": "hot", "count": 1, "percentage": 50, "avgScore": 76},
                    {"bucket": "warm", "count": 0, "percentage": 0, "avgScore": 0},
                    {"bucket": "cold", "count": 1, "percentage": 50, "avgScore": 35},
                    {"bucket": "unqualified", "count": 0, "percentage": 0, "avgScore": 0},
                ],
                "topFactors": {
                    "positive": [
                        {"factor": "Email provided", "count": 2},
                        {"factor": "Timing", "count": 2},
                        {"factor": "Tour activity", "count": 1},
                    ],
                    "negative": [],
                },
                "recentTrend": [{"date": "2027-03-01", "avgScore": 55.5, "hotLeads": 1}],
            }
        }
    }

    insights: InsightsFound
