"""The time of a tour in a form: a free slot of a day, or another local time."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.api.console.forms import Form
from services.api.console.page import Page
from services.api.console.parts import read_parts
from services.api.console.times import parse_instant
from services.api.problems import Problem

Entered = dict[str, str]


def entered(page: Page, form: Form | None = None) -> Entered:
    """Return what was entered: in the form, or in the address that chose a day or a lead."""
    return {**page.query, **(form or {})}


async def read_free_slots(page: Page, day: str) -> dict[str, Any]:
    """Return the free slots of a day as value → words, and why there are none."""
    parts = await read_parts({"slots": page.api.get(
        "/api/slots", propertyId=page.here.id, **{"from": day, "to": day}
    )})  # fmt: skip
    free = {}
    for row in parts.get("slots", "days", ()):
        for slot in row["slots"]:
            if slot["freePlaces"] and parse_instant(slot["startsAt"]) > page.now:
                value = value_of(slot)
                again = " (second time)" if slot["fold"] else ""
                free[value] = f"{slot['startTime']}–{slot['endTime']}{again}"
    return {"slots": free, "why_none": parts.failures.get("slots")}


def value_of(slot: Mapping[str, Any]) -> str:
    """Return the value by which a form names a slot."""
    return f"{slot['date']}/{slot['startTime']}/{slot['fold']}"


def today_at(page: Page) -> date:
    """Return the day at the property."""
    return page.now.astimezone(page.here.zone).date()


def read_time(form: Form) -> dict[str, Any]:
    """Return the fields of a request for the time of a form: its slot, or else day and time.

    Raise 400 if no time is chosen, or a slot of another day.
    """
    day = form.get("date", "")
    if not form.get("slot"):
        if not form.get("time"):
            raise Problem(400, "no_time", "no time is chosen: choose a free slot, or enter a time")
        return {"tourDate": day, "tourTime": form["time"], "fold": 0}
    slot_day, clock, fold = [*form["slot"].split("/"), "", ""][:3]
    if slot_day != day or fold not in ("0", "1"):
        raise Problem(
            400, "no_time",
            f"the slot is on {slot_day}, but the day is {day or 'missing'}: show the free slots of "
            "the day, and choose one of them",
        )  # fmt: skip
    return {"tourDate": day, "tourTime": clock, "fold": int(fold)}
