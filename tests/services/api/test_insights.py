"""Insights over HTTP, compared with plain counts of the tables."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest

from events.leads import LeadCaptured
from services.api.routes.insights import distribution, last_days
from tests.services.api.site import Site, create_profile
from tests.world import make_world

NEW_YORK = ZoneInfo("America/New_York")


async def request_insights(
    site: Site, profile_id: UUID | None = None, **query: Any
) -> httpx2.Response:
    params = {"propertyId": str(site.property_id), **query}
    return await site.client.get(
        "/api/leadpulse/insights", params=params, headers=site.console_headers(profile_id)
    )


async def read_insights(site: Site, **query: Any) -> dict[str, Any]:
    response = await request_insights(site, **query)
    assert response.status_code == 200, response.text
    insights: dict[str, Any] = response.json()["insights"]
    return insights


async def capture_lead(site: Site, at: datetime, **details: Any) -> UUID:
    lead = uuid4()
    fields = {"lead_id": lead, "source": "Google", "email": f"{lead}@example.com", **details}
    await site.world.append(site.world.new(LeadCaptured.model_validate(fields), at=at))
    return lead


async def record_engagements(site: Site, lead: UUID, *kinds: str) -> None:
    for kind in kinds:
        await site.client.post(
            "/api/leadpulse/events", json={"leadId": str(lead), "eventType": kind},
            headers=site.console_headers(),
        )  # fmt: skip


async def test_each_lead_counts_once_with_its_current_score(site: Site) -> None:
    hot = await site.create_lead(
        firstName="Ada", lastName="L", phone="2125550100", source="Referral"
    )
    await record_engagements(site, hot, "sms_replied", "application_started")
    for _ in range(2):
        await site.create_lead(source="Google")
    await site.project()
    insights = await read_insights(site)
    assert (insights["totalLeads"], insights["scoredLeads"]) == (3, 3)
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT DISTINCT ON (lead_id) total_score, score_bucket, factors FROM lead_scores "
            "ORDER BY lead_id, revision DESC"
        )
    scores = [row["total_score"] for row in rows]
    assert insights["avgScore"] == round(sum(scores) / 3, 1)
    buckets = {entry["bucket"]: entry for entry in insights["distribution"]}
    assert [*buckets] == ["hot", "warm", "cold", "unqualified"]
    assert Counter({name: entry["count"] for name, entry in buckets.items() if entry["count"]}) == (
        Counter(row["score_bucket"] for row in rows)
    )
    assert buckets["hot"] == {
        "bucket": "hot", "count": 1, "percentage": 33.3, "avgScore": max(scores),
    }  # fmt: skip
    positive = insights["topFactors"]["positive"]
    assert len(positive) == 5
    assert positive[:2] == [
        {"factor": "Email provided", "count": 3}, {"factor": "Timing", "count": 3},
    ]  # fmt: skip
    assert {"factor": "Source: Google", "count": 2} in positive
    assert insights["topFactors"]["negative"] == []
    today = datetime.now(NEW_YORK).date().isoformat()
    assert insights["recentTrend"] == [
        {"date": today, "avgScore": insights["avgScore"], "hotLeads": 1}
    ]


async def test_all_high_engagement_scores_are_one_factor_and_a_limit_is_no_factor(
    site: Site,
) -> None:
    for hour, more_kinds in enumerate(((), ("email_opened",)), start=14):
        lead = await site.create_lead(
            firstName="A", lastName="L", phone="2125550100", source="Referral"
        )
        await record_engagements(site, lead, "application_submitted", *more_kinds)
        await site.book_tour(lead, tourTime=f"{hour}:00")
    await site.project()
    positive = (await read_insights(site))["topFactors"]["positive"]
    factors = {factor["factor"]: factor["count"] for factor in positive}
    assert factors["High engagement"] == 2
    assert "Limit" not in factors


async def test_a_factor_that_lowers_scores_is_negative(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.create_begun_tour(lead)
    await site.client.patch(
        f"/api/leads/{lead}/tours", json={"tourId": str(tour), "status": "no_show"},
        headers=site.console_headers(),
    )  # fmt: skip
    await site.project()
    insights = await read_insights(site)
    assert {"factor": "Tour no-show", "count": 1} in insights["topFactors"]["negative"]


async def test_the_range_of_days_limits_the_scored_leads_and_not_the_total(site: Site) -> None:
    now = datetime.now(UTC)
    await capture_lead(site, now - timedelta(days=100))
    await capture_lead(site, now - timedelta(days=5))
    await site.project()
    assert [
        (
            (await read_insights(site, days=days))["totalLeads"],
            (await read_insights(site, days=days))["scoredLeads"],
        )
        for days in (1, 30, 366)
    ] == [(2, 0), (2, 1), (2, 2)]


async def test_the_trend_has_at_most_fourteen_days_in_the_property_s_time_zone(site: Site) -> None:
    """Capture one lead a day at 23:00 local time, which is the next day in UTC."""
    today = datetime.now(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)
    evenings = [today - timedelta(days=days) - timedelta(hours=1) for days in range(20)]
    for evening in evenings:
        await capture_lead(site, evening)
    await site.project()
    trend = (await read_insights(site, days=60))["recentTrend"]
    dates = [day["date"] for day in trend]
    assert dates == sorted(dates)
    oldest = (today - timedelta(days=13)).date().isoformat()
    assert len(trend) == 13, "14 days, of which today has no lead"
    assert dates[0] == oldest
    assert dates[-1] == (today - timedelta(days=1)).date().isoformat()
    assert len((await read_insights(site, days=3))["recentTrend"]) == 2


async def test_a_lead_scored_twice_on_a_day_counts_with_its_last_score(site: Site) -> None:
    lead = await site.create_lead()
    await record_engagements(site, lead, "email_opened", "price_check")
    await site.project()
    insights = await read_insights(site)
    assert await site.world.count("lead_scores") == 3
    assert insights["recentTrend"][0]["avgScore"] == insights["avgScore"]


async def test_a_property_without_leads_or_a_valid_time_zone_has_empty_insights(site: Site) -> None:
    async with site.world.pool.acquire() as conn:
        for zone in ("{}", '{"timezone": "Mars/Olympus"}', '{"timezone": 7}', "null", "[]"):
            await conn.execute("UPDATE properties SET settings = $1::text::jsonb", zone)
            insights = await read_insights(site)
            assert (insights["totalLeads"], insights["avgScore"]) == (0, 0)
            assert [entry["count"] for entry in insights["distribution"]] == [0, 0, 0, 0]
            assert insights["recentTrend"] == []


@pytest.mark.parametrize(
    "query",
    [{"days": 0}, {"days": 367}, {"days": 10**12}, {"days": "x"}, {"propertyId": "x\x00"}],
    ids=str,
)
async def test_an_invalid_query_is_400(site: Site, query: dict[str, Any]) -> None:
    response = await request_insights(site, **query)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


async def test_only_members_read_the_insights_of_their_properties(site: Site) -> None:
    await site.create_lead()
    await site.project()
    assert (await request_insights(site, site.viewer)).status_code == 200
    other = await make_world(site.world.pool)
    assert (await request_insights(site, await create_profile(other, "admin"))).status_code == 404
    assert (await request_insights(site, propertyId=str(other.properties[0]))).status_code == 404
    params = {"propertyId": str(site.property_id)}
    assert (await site.client.get("/api/leadpulse/insights", params=params)).status_code == 401


def test_percentages_and_averages_are_weighted_by_leads() -> None:
    entries = distribution([(90, 1), (50, 2), (10, 1)])
    assert [(entry["count"], entry["percentage"], entry["avgScore"]) for entry in entries] == [
        (1, 25.0, 90.0), (2, 50.0, 50.0), (0, 0.0, 0), (1, 25.0, 10.0),
    ]  # fmt: skip


def test_the_last_days_end_today() -> None:
    today = datetime(2026, 3, 1, tzinfo=UTC).date()
    assert [day.isoformat() for day in last_days(today, 2)] == ["2026-02-28", "2026-03-01"]
