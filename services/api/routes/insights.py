"""Route of a property's insights (LeadPulse)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import insights, leads
from projections.scoring import v1
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import load_zone_of
from services.api.remembered_numbers import load_numbers
from services.api.schemas import example
from services.api.schemas.insights import MAX_FACTORS, MAX_TREND_DAYS, InsightsResponse

BUCKETS = (*(bucket for _, bucket in v1.BUCKETS), v1.bucket_of(0))
MAX_DAYS = 366

router = APIRouter(prefix="/api/leadpulse", tags=["leadpulse"])


@router.get(
    "/insights", summary="Get the score insights of a property", response_model=InsightsResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_insights(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 30,
) -> Response:
    """Return numbers about the leads of a property.

    `totalLeads` counts all leads. All other values count the leads whose score changed in the last
    `days` days, each lead once. A day is a day of the property's time zone, or of UTC if it has
    none. Stored scores are used; timers keep them current. For a property with more than 5,000
    leads, the numbers are up to 30 seconds old, if the request has no consistency token.
    """
    return await load_numbers(
        request, caller, property_id, partial(_count_scores, request, caller, property_id, days)
    )


async def _count_scores(
    request: Request, caller: ConsoleUser, property_id: UUID, days: int
) -> tuple[dict[str, Any], int]:
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        zone = await load_zone_of(conn, caller, property_id)
        dates = last_days(context.clock.now().astimezone(zone).date(), days)
        day_starts = [start_of_day(day, zone) for day in dates]
        trend_starts = day_starts[-MAX_TREND_DAYS:]
        await conn.plan_for_values()
        total = await conn.scalar(leads.count_of(property_id)) or 0
        score_rows = await conn.all(insights.totals(property_id, day_starts[0]))
        query = insights.factors(property_id, day_starts[0], MAX_FACTORS)
        factor_rows = await conn.all(query)
        trend_rows = await conn.all(insights.trend(property_id, trend_starts))
    counts = [(row.total, row.leads) for row in score_rows]
    trend_dates = dates[-len(trend_starts) :]
    return {"insights": {
        "totalLeads": total,
        "scoredLeads": sum(count for _, count in counts),
        "avgScore": _average(counts),
        "distribution": distribution(counts),
        "topFactors": {
            kind: [{"factor": row.factor, "count": int(row.leads)} for row in factor_rows
                   if row.type == kind]
            for kind in ("positive", "negative")
        },
        "recentTrend": [
            {"date": trend_dates[row.day - 1], "avgScore": round(float(row.average), 1),
             "hotLeads": row.hot}
            for row in trend_rows
        ],
    }}, total  # fmt: skip


def last_days(today: date, count: int) -> list[date]:
    """Return the last `count` days up to today, in order."""
    return [today - timedelta(days=offset) for offset in reversed(range(count))]


def distribution(counts: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Return the leads per bucket. `counts` are pairs of a score and the leads that have it."""
    all_leads = sum(count for _, count in counts)
    buckets = []
    for bucket in BUCKETS:
        in_bucket = [(total, count) for total, count in counts if v1.bucket_of(total) == bucket]
        bucket_leads = sum(count for _, count in in_bucket)
        buckets.append({
            "bucket": bucket, "count": bucket_leads, "avgScore": _average(in_bucket),
            "percentage": round(100 * bucket_leads / all_leads, 1) if all_leads else 0,
        })  # fmt: skip
    return buckets


def _average(counts: Iterable[tuple[int, int]]) -> float:
    pairs = list(counts)
    all_leads = sum(count for _, count in pairs)
    return round(sum(total * count for total, count in pairs) / all_leads, 1) if all_leads else 0


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a day begins, also where clocks skip midnight."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)
