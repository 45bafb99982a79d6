"""Forms of admins that add or remove a blackout date, on which no slots are offered."""

from datetime import date
from typing import Any

from services.api.console.endpoints import command_id, form_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.pages.tours import parse_day
from services.api.console.tour_times import entered, today_at
from services.api.console.tour_weeks import is_live
from services.api.problems import Problem

CONFIG = "/api/lumaleasing/admin/config"


async def prepare_blackout(page: Page) -> dict[str, Any]:
    """Return the day, the tours that stay booked on it, and all coming blackout dates."""
    _require_admin(page)
    today = today_at(page)
    day = parse_day(entered(page).get("date"), today)
    dates = await _read_dates(page)
    found = await page.api.get(
        "/api/tours", propertyId=page.here.id, **{"from": day.isoformat(), "to": day.isoformat()}
    )
    return {
        "day": day, "is_blackout": day.isoformat() in dates,
        "tours": [tour for tour in found["tours"] if is_live(tour)],
        "coming": [one for one in dates if one >= today.isoformat()],
    }  # fmt: skip


async def close_day(page: Page, form: Form) -> Done:
    """Add a blackout date."""
    day = _read_day(page, form)
    await _write_dates(page, form, {*await _read_dates(page), day.isoformat()})
    return _done(page, day, f"No tours are offered on {day}.")


async def open_day(page: Page, form: Form) -> Done:
    """Remove a blackout date."""
    day = _read_day(page, form)
    await _write_dates(page, form, {*await _read_dates(page)} - {day.isoformat()})
    return _done(page, day, f"{day} is no blackout date any more.")


def _read_day(page: Page, form: Form) -> date:
    _require_admin(page)
    if not form.get("date"):
        raise Problem(400, "no_date", "no day is chosen: enter one")
    return parse_day(form["date"], today_at(page))


def _require_admin(page: Page) -> None:
    if not page.viewer.is_admin:
        raise Problem(
            403, "forbidden",
            f"the role {page.viewer.role} may not change when tours are offered: ask an admin",
        )  # fmt: skip


async def _read_dates(page: Page) -> list[str]:
    found = await page.api.get(CONFIG, propertyId=page.here.id)
    return list(found["config"]["tour_blackout_dates"])


async def _write_dates(page: Page, form: Form, dates: set[str]) -> None:
    body = {"propertyId": str(page.here.id), "config": {"tourBlackoutDates": sorted(dates)}}
    await page.api.write("PUT", CONFIG, body, command_id=command_id(form))


def _done(page: Page, day: date, notice: str) -> Done:
    return Done(f"{page.here.path('tours')}?week={day}", notice)


_TOURS = "/properties/{property_id}/tours"
ROUTES = (
    form_route(f"{_TOURS}/close-day", "tour_close_day.html", prepare_blackout, close_day),
    form_route(f"{_TOURS}/open-day", "tour_open_day.html", prepare_blackout, open_day),
)
