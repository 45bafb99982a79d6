"""Forms of admins for the days without tours: blackout dates and holidays.

Each form names single days, and the API decides them on the newest settings. So two admins who
change days at the same moment lose no change.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.api.console.endpoints import command_id, form_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.pages.tours import parse_day
from services.api.console.tour_times import entered, today_at
from services.api.console.tour_weeks import is_live
from services.api.problems import Problem
from services.deciders.widgets import SETTING_OF_KIND

CONFIG = "/api/lumaleasing/admin/config"
CLOSED_DAYS = "/api/lumaleasing/admin/closed-days"
KINDS: Mapping[str, str] = {"blackout": "blackout date", "holiday": "holiday"}
"""Kind → its name in words."""


async def prepare_closed_day(page: Page) -> dict[str, Any]:
    """Return the day, its kind, the tours that stay booked on it, and all days to come."""
    _require_admin(page)
    today = today_at(page)
    day = parse_day(entered(page).get("date"), today)
    found = await page.api.get(CONFIG, propertyId=page.here.id)
    settings: Mapping[Any, str] = SETTING_OF_KIND
    days = {kind: found["config"][setting] or () for kind, setting in settings.items()}
    booked = await page.api.get(
        "/api/tours", propertyId=page.here.id, **{"from": day.isoformat(), "to": day.isoformat()}
    )
    return {
        "day": day, "kind": _kind(entered(page)), "kinds": KINDS,
        "is_closed": {kind: day.isoformat() in days[kind] for kind in KINDS},
        "holidays_count": found["config"]["tour_hours"] is None,
        "tours": [tour for tour in booked["tours"] if is_live(tour)],
        "coming": {
            kind: sorted(one for one in days[kind] if one >= today.isoformat()) for kind in KINDS
        },
    }  # fmt: skip


async def close_day(page: Page, form: Form) -> Done:
    """Add a blackout date or a holiday."""
    day = _read_day(page, form)
    await _change(page, form, add=day)
    return _done(page, day, f"{day} is a {KINDS[_kind(form)]} now.")


async def open_day(page: Page, form: Form) -> Done:
    """Remove a blackout date or a holiday."""
    day = _read_day(page, form)
    await _change(page, form, remove=day)
    return _done(page, day, f"{day} is no {KINDS[_kind(form)]} any more.")


async def move_day(page: Page, form: Form) -> Done:
    """Replace a blackout date or a holiday by another day."""
    day, new_day = _read_day(page, form), _read_day(page, form, "new_date")
    if new_day == day:
        raise Problem(400, "same_day", f"{day} is the day as it is: choose another one")
    await _change(page, form, add=new_day, remove=day)
    return _done(page, new_day, f"{new_day} is a {KINDS[_kind(form)]} now, instead of {day}.")


def _read_day(page: Page, form: Form, field: str = "date") -> date:
    _require_admin(page)
    if not form.get(field):
        raise Problem(400, "no_date", "no day is chosen: enter one")
    return parse_day(form[field], today_at(page))


def _kind(form: Form) -> str:
    """Return the kind of day that was chosen. Raise 400 for a kind that does not exist."""
    kind = form.get("kind") or "blackout"
    if kind not in KINDS:
        raise Problem(
            400, "invalid", f"{kind!r} is no kind of day: choose one of {', '.join(KINDS)}"
        )
    return kind


def _require_admin(page: Page) -> None:
    if not page.viewer.is_admin:
        raise Problem(
            403, "forbidden",
            f"the role {page.viewer.role} may not change when tours are offered: ask an admin",
        )  # fmt: skip


async def _change(
    page: Page, form: Form, *, add: date | None = None, remove: date | None = None
) -> None:
    body = {
        "propertyId": str(page.here.id), "kind": _kind(form),
        "add": [add.isoformat()] if add else [], "remove": [remove.isoformat()] if remove else [],
    }  # fmt: skip
    await page.api.write("PATCH", CLOSED_DAYS, body, command_id=command_id(form))


def _done(page: Page, day: date, notice: str) -> Done:
    return Done(f"{page.here.path('tours')}?week={day}", notice)


_TOURS = "/properties/{property_id}/tours"
ROUTES = (
    form_route(f"{_TOURS}/close-day", "tour_close_day.html", prepare_closed_day, close_day),
    form_route(f"{_TOURS}/open-day", "tour_open_day.html", prepare_closed_day, open_day),
    form_route(f"{_TOURS}/move-day", "tour_move_day.html", prepare_closed_day, move_day),
)
