"""Insights through real HTTP: leads counted once, days of the property, as a plain count says."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest

from events.leads import LeadCaptured
from services.api.routes.insights import distribution, last_days
from tests.services.api.conftest import Site, employ
from tests.world import make_world

NEW_YORK = ZoneInfo("America/New_York")


async def asked(site: Site, who: UUID | None = None, **query: Any) -> httpx2.Response:
    said = {"propertyId": str(site.property_id), **query}
    return await site.client.get("/api/leadpulse/insights", params=said, headers=site.console(who))


async def found(site: Site, **query: Any) -> dict[str, Any]:
    answer = await asked(site, **query)
    assert answer.status_code == 200, answer.text
    insights: dict[str, Any] = answer.json()["insights"]
    return insights


async def captured(site: Site, at: datetime, **details: Any) -> UUID:
    lead = uuid4()
    said = {"lead_id": lead, "source": "Google", "email": f"{lead}@example.com", **details}
    await site.world.append(site.world.new(LeadCaptured.model_validate(said), at=at))
    return lead


async def did(site: Site, lead: UUID, *kinds: str) -> None:
    for kind in kinds:
        await site.client.post(
            "/api/leadpulse/events", json={"leadId": str(lead), "eventType": kind},
            headers=site.console(),
        )  # fmt: skip


async def test_each_lead_counts_once_with_its_current_score(site: Site) -> None:
    hot = await site.lead(firstName="Ada", lastName="L", phone="2125550100", source="Referral")
    await did(site, hot, "sms_replied", "application_started")
    for _ in range(2):
        await site.lead(source="Google")
    await site.project()
    insights = await found(site)
    assert (insights["totalLeads"], insights["scoredLeads"]) == (3, 3)
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT DISTINCT ON (lead_id) total_score, score_bucket, factors FROM lead_scores "
            "ORDER BY lead_id, revision DESC"
        )
    scores = [row["total_score"] for row in rows]
    assert insights["avgScore"] == round(sum(scores) / 3, 1)
    buckets = {one["bucket"]: one for one in insights["distribution"]}
    assert [*buckets] == ["hot", "warm", "cold", "unqualified"]
    assert Counter({name: one["count"] for name, one in buckets.items() if one["count"]}) == (
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


async def test_engagement_of_any_number_is_one_factor_and_a_limit_is_none(site: Site) -> None:
    for hour, more in enumerate(((), ("email_opened",)), start=14):
        lead = await site.lead(firstName="A", lastName="L", phone="2125550100", source="Referral")
        await did(site, lead, "application_submitted", *more)
        await site.tour(lead, tourTime=f"{hour}:00")
    await site.project()
    positive = (await found(site))["topFactors"]["positive"]
    factors = {one["factor"]: one["count"] for one in positive}
    assert factors["High engagement"] == 2
    assert not {"Limit"} & {*factors}


async def test_what_speaks_against_leads_is_negative(site: Site) -> None:
    lead = await site.lead()
    tour = await site.tour(lead)
    await site.client.patch(
        f"/api/leads/{lead}/tours", json={"tourId": tour["id"], "status": "no_show"},
        headers=site.console(),
    )  # fmt: skip
    await site.project()
    insights = await found(site)
    assert {"factor": "Tour no-show", "count": 1} in insights["topFactors"]["negative"]


async def test_days_narrow_what_is_scored_and_not_the_total(site: Site) -> None:
    now = datetime.now(UTC)
    await captured(site, now - timedelta(days=100))
    await captured(site, now - timedelta(days=5))
    await site.project()
    assert [
        (
            (await found(site, days=days))["totalLeads"],
            (await found(site, days=days))["scoredLeads"],
        )
        for days in (1, 30, 366)
    ] == [(2, 0), (2, 1), (2, 2)]


async def test_a_trend_has_days_of_the_property_and_at_most_fourteen(site: Site) -> None:
    """One lead a day, late in the evening: the next day already in UTC."""
    today = datetime.now(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)
    evenings = [today - timedelta(days=back) - timedelta(hours=1) for back in range(20)]
    for evening in evenings:
        await captured(site, evening)
    await site.project()
    trend = (await found(site, days=60))["recentTrend"]
    assert [one["date"] for one in trend] == sorted(one["date"] for one in trend)
    oldest = (today - timedelta(days=13)).date().isoformat()
    assert 13 <= len(trend) <= 14
    assert trend[0]["date"] == oldest
    assert [one["date"] for one in trend][-1] == (today - timedelta(days=1)).date().isoformat()
    assert len((await found(site, days=3))["recentTrend"]) <= 3


async def test_a_lead_scored_twice_on_a_day_counts_with_its_last_score(site: Site) -> None:
    lead = await site.lead()
    await did(site, lead, "email_opened", "price_check")
    await site.project()
    insights = await found(site)
    assert await site.world.count("lead_scores") == 3
    assert insights["recentTrend"][0]["avgScore"] == insights["avgScore"]


async def test_a_property_without_leads_or_without_a_zone_has_insights(site: Site) -> None:
    async with site.world.pool.acquire() as conn:
        for zone in ("{}", '{"timezone": "Mars/Olympus"}', '{"timezone": 7}', "null", "[]"):
            await conn.execute("UPDATE properties SET settings = $1::text::jsonb", zone)
            insights = await found(site)
            assert (insights["totalLeads"], insights["avgScore"]) == (0, 0)
            assert [one["count"] for one in insights["distribution"]] == [0, 0, 0, 0]
            assert insights["recentTrend"] == []


@pytest.mark.parametrize(
    "query",
    [{"days": 0}, {"days": 367}, {"days": 10**12}, {"days": "x"}, {"propertyId": "x\x00"}],
    ids=str,
)
async def test_what_cannot_be_asked_is_400(site: Site, query: dict[str, Any]) -> None:
    answer = await asked(site, **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


async def test_only_members_read_and_only_their_properties(site: Site) -> None:
    await site.lead()
    await site.project()
    assert (await asked(site, site.viewer)).status_code == 200
    other = await make_world(site.world.pool)
    assert (await asked(site, await employ(other, "admin"))).status_code == 404
    assert (await asked(site, propertyId=str(other.properties[0]))).status_code == 404
    said = {"propertyId": str(site.property_id)}
    assert (await site.client.get("/api/leadpulse/insights", params=said)).status_code == 401


def test_shares_and_averages_are_those_of_leads() -> None:
    counted = distribution([(90, 1), (50, 2), (10, 1)])
    assert [(one["count"], one["percentage"], one["avgScore"]) for one in counted] == [
        (1, 25.0, 90.0), (2, 50.0, 50.0), (0, 0.0, 0), (1, 25.0, 10.0),
    ]  # fmt: skip


def test_days_end_today() -> None:
    today = datetime(2026, 3, 1, tzinfo=UTC).date()
    assert [day.isoformat() for day in last_days(today, 2)] == ["2026-02-28", "2026-03-01"]
