"""Insights of LeadPulse: what the scores of a property's leads say together."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import host, insights, leads
from projections.scoring import v1
from services.api.auth.callers import Reader, no_such
from services.api.context import core_of
from services.api.error_codes import NOT_FOUND, refuses
from services.api.responses import Reached, answered
from services.api.schemas import example
from services.api.schemas.insights import MOST_DAYS, MOST_FACTORS, InsightsRead
from services.deciders.decider import Refused
from services.deciders.local_time import zone_of

BUCKETS = (*(bucket for _, bucket in v1.BUCKETS), v1.bucket_of(0))
LONGEST_DAYS = 366

router = APIRouter(prefix="/api/leadpulse", tags=["leadpulse"])


@router.get(
    "/insights", summary="How promising a property's leads are", response_model=InsightsRead,
    responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def insights_of(
    request: Request,
    caller: Reader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    days: Annotated[int, Query(ge=1, le=LONGEST_DAYS)] = 30,
) -> Response:
    """All leads are in `totalLeads`; all else is of those whose score changed in the last `days`
    days of the property's zone (UTC where it has none), each lead once. Scores are those that are
    stored, which timers keep current. A day of the trend has the leads scored on it."""
    async with caller.transaction(core_of(request).engine) as conn:
        host_property = (await conn.execute(host.settings_of_property(property_id))).first()
        if host_property is None or host_property.org_id != caller.org_id:
            raise no_such("property")
        zone = _zone(host_property.settings)
        dates = last_days(datetime.now(UTC).astimezone(zone).date(), days)
        starts = [_midnight(day, zone) for day in dates]
        recent = starts[-MOST_DAYS:]
        total = await conn.scalar(leads.count_of(property_id)) or 0
        scores = (await conn.execute(insights.totals(property_id, starts[0]))).all()
        top = (await conn.execute(insights.factors(property_id, starts[0], MOST_FACTORS))).all()
        trend = (await conn.execute(insights.trend(property_id, recent))).all()
    counts = [(row.total, row.leads) for row in scores]
    return answered({"insights": {
        "totalLeads": total,
        "scoredLeads": sum(count for _, count in counts),
        "avgScore": _average(counts),
        "distribution": distribution(counts),
        "topFactors": {
            kind: [{"factor": row.factor, "count": int(row.leads)} for row in top
                   if row.type == kind]
            for kind in ("positive", "negative")
        },
        "recentTrend": [
            {"date": dates[-len(recent):][row.day - 1], "avgScore": round(float(row.average), 1),
             "hotLeads": row.hot}
            for row in trend
        ],
    }})  # fmt: skip


def last_days(today: date, count: int) -> list[date]:
    """So many days up to today, in order."""
    return [today - timedelta(days=back) for back in reversed(range(count))]


def distribution(counts: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Leads by bucket, from how many have which score."""
    whole = sum(count for _, count in counts)
    found = []
    for bucket in BUCKETS:
        mine = [(total, count) for total, count in counts if v1.bucket_of(total) == bucket]
        held = sum(count for _, count in mine)
        found.append({
            "bucket": bucket, "count": held, "avgScore": _average(mine),
            "percentage": round(100 * held / whole, 1) if whole else 0,
        })  # fmt: skip
    return found


def _average(counts: Iterable[tuple[int, int]]) -> float:
    held = list(counts)
    whole = sum(count for _, count in held)
    return round(sum(total * count for total, count in held) / whole, 1) if whole else 0


def _zone(settings: object) -> ZoneInfo:
    """The property's; where it has none, days are those of UTC."""
    name = settings.get("timezone") if isinstance(settings, dict) else None
    try:
        return zone_of(name) if isinstance(name, str) and name else ZoneInfo("UTC")
    except Refused:
        return ZoneInfo("UTC")


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant a day begins; where clocks skip midnight, the one they skip it at."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)
