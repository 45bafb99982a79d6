"""Response of a property's insights."""

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from services.api.schemas.schema import Examples, ResponseModel

MAX_FACTORS = 5
MAX_TREND_DAYS = 14

Average = Annotated[float, Field(ge=0, le=100)]


class ScoreBucketSummary(ResponseModel):
    """The number of leads in one bucket, their share in per cent and their average score."""

    bucket: Literal["hot", "warm", "cold", "unqualified"]
    count: int
    percentage: Annotated[float, Field(ge=0, le=100)]
    avg_score: Average


class FactorCount(ResponseModel):
    """The number of leads whose score has this factor."""

    factor: str
    count: int


class TopFactors(ResponseModel):
    """The most frequent factors of current scores."""

    positive: Annotated[list[FactorCount], Field(max_length=MAX_FACTORS)]
    negative: Annotated[list[FactorCount], Field(max_length=MAX_FACTORS)]


class TrendDay(ResponseModel):
    """The leads scored on one day of the property's time zone, by their last score of that day."""

    date: date
    avg_score: Average
    hot_leads: int


class PropertyInsights(ResponseModel):
    """Numbers of a property.

    `totalLeads` counts all leads. All other values count the leads scored in the requested days,
    each once.
    """

    total_leads: int
    scored_leads: int
    avg_score: Average
    distribution: Annotated[list[ScoreBucketSummary], Field(min_length=4, max_length=4)]
    top_factors: TopFactors
    recent_trend: Annotated[list[TrendDay], Field(max_length=MAX_TREND_DAYS)]


class InsightsResponse(ResponseModel):
    """The insights of a property."""

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

    insights: PropertyInsights
