"""The week of a property's tours, with the free places of its slots."""

from datetime import date

from starlette.responses import Response

from services.api.console.days import describe_moment
from services.api.console.endpoints import page_route
from services.api.console.page import Page
from services.api.console.parts import read_parts
from services.api.console.times import parse_instant
from services.api.console.tour_weeks import (
    DAY,
    WEEK,
    WeekAnswer,
    answer_week,
    build_days,
    find_monday,
)
from services.api.problems import Problem
from services.deciders.local_time import EARLIEST_YEAR, LATEST_YEAR


async def show_week(page: Page) -> Response:
    """Show the seven days of the week with the day `week`; without it, of this week."""
    today = page.now.astimezone(page.here.zone).date()
    monday = find_monday(parse_day(page.query.get("week"), today))
    days = {
        "propertyId": page.here.id, "from": monday.isoformat(),
        "to": (monday + WEEK - DAY).isoformat(),
    }  # fmt: skip
    parts = await read_parts({
        "tours": page.api.get("/api/tours", **days), "slots": page.api.get("/api/slots", **days),
    })  # fmt: skip
    tours = parts.get("tours", "tours", ())
    answer = answer_week(monday, tours, today, page.now)
    return page.render(
        "tours.html", parts=parts, monday=monday, today=today,
        days=build_days(monday, tours, parts.get("slots", "days", ()), today, page.now),
        can_close=page.viewer.is_admin and page.can_write,
        waiting={tour["id"] for tour in answer.without_outcome},
        answer=answer, moment=_next_moment(page, answer),
        previous=page.address(week=monday - WEEK), following=page.address(week=monday + WEEK),
    )  # fmt: skip


def _next_moment(page: Page, answer: WeekAnswer) -> str | None:
    """Return when the next tour is: `today 14:00`."""
    if answer.first is None:
        return None
    return describe_moment(parse_instant(answer.first["starts_at"]), page.now, page.here.zone)


def parse_day(text: str | None, today: date) -> date:
    """Return the day of a parameter, today without one. Raise 400 for a text that is no day."""
    try:
        day = date.fromisoformat(text) if text else today
    except ValueError:
        day = date.min
    if EARLIEST_YEAR < day.year < LATEST_YEAR:
        return day
    raise Problem(
        400, "invalid_range",
        f"{text!r} is no day between {EARLIEST_YEAR + 1} and {LATEST_YEAR - 1}: use a date such "
        f"as {today}",
    )  # fmt: skip


ROUTES = (page_route("/properties/{property_id}/tours", show_week, is_personal=False),)
