"""The page of numbers about a property: scores, their trend, sources, and the way to a lease."""

import asyncio
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from services.api.console.endpoints import page_route
from services.api.console.page import Page
from services.api.numbers_memory import KEPT_SECONDS
from services.api.problems import Problem

PERIODS = (7, 30, 90, 366)
CHART_WIDTH, CHART_HEIGHT = 560, 160
MAX_SCORE = 100


async def show_insights(page: Page) -> Response:
    """Show the numbers of a period of days, in the property's zone."""
    days = _days(page)
    begins_on = (page.now.astimezone(page.here.zone) - timedelta(days=days - 1)).date()
    found, funnel, widget = await asyncio.gather(
        page.api.get("/api/leadpulse/insights", propertyId=page.here.id, days=days),
        page.api.get("/api/leadpulse/funnel", propertyId=page.here.id, days=days),
        page.api.get(
            "/api/lumaleasing/admin/stats", propertyId=page.here.id, **{"from": begins_on}
        ),
    )
    sources = funnel["sources"]
    totals = {name: sum(row[name] for row in sources) for name in ("leads", "toured", "leased")}
    return page.render(
        "insights.html", days=days, periods=PERIODS, insights=found["insights"], sources=sources,
        steps=_steps({"visitors": funnel["visitors"], **totals}), totals=totals, widget=widget,
        trend=_points(found["insights"]["recentTrend"]), width=CHART_WIDTH, height=CHART_HEIGHT,
        old_seconds=round(KEPT_SECONDS) if page.api.has_remembered_numbers else None,
    )  # fmt: skip


def _days(page: Page) -> int:
    text = page.query.get("days", "30")
    if not text.isdecimal() or not 1 <= int(text) <= max(PERIODS):
        raise Problem(400, "invalid", f"days is {text}: choose a number from 1 to {max(PERIODS)}")
    return int(text)


def _steps(counts: dict[str, int]) -> list[dict[str, Any]]:
    """Return the steps of the funnel, each with its share of the step before it.

    Leads have no share: many come without a visit to the web chat.
    """
    steps: list[dict[str, Any]] = []
    before = 0
    for name, count in counts.items():
        share = round(100 * count / before) if before and name != "leads" else None
        steps.append({"name": name, "count": count, "share": share})
        before = count
    return steps


def _points(trend: list[dict[str, Any]]) -> str:
    """Return the points of the line of average scores, whose scale begins at zero."""
    step = CHART_WIDTH / max(len(trend) - 1, 1)
    return " ".join(
        f"{number * step:.0f},{CHART_HEIGHT * (1 - day['avgScore'] / MAX_SCORE):.0f}"
        for number, day in enumerate(trend)
    )


ROUTES = (page_route("/properties/{property_id}/insights", show_insights, is_personal=False),)
