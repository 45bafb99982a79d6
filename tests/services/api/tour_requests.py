"""A visitor's requests for slots and tours, and the set-up of a property for them."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.widgets import WidgetConfigured
from services.api.schemas import example
from services.deciders.local_time import WEEKDAYS, When
from services.deciders.slot_times import SlotTime, make_slot_time
from tests.services.api.site import NEXT_MONTH, TIME_ZONE, WIDGET_TOURS, Site

DAY = NEXT_MONTH.isoformat()


async def configure_widget(site: Site, property_id: UUID | None = None, **settings: Any) -> None:
    """Append a change of a widget's settings, of the site's property if none is given."""
    owner = property_id or site.property_id
    event = WidgetConfigured.model_validate({"property_id": owner, **settings})
    await site.world.append(site.world.new(event, property_id=owner))


async def set_time_zone(site: Site, zone: str) -> None:
    """Change the property's time zone as the host does."""
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = $1", {"timezone": zone})


def daily_hours(start: str, end: str) -> dict[str, Any]:
    """Return tour hours that are the same on every day of the week."""
    return {name: {"start": start, "end": end} for name in WEEKDAYS}


async def list_slots(site: Site, **query: str) -> dict[str, list[dict[str, Any]]]:
    """Return the slots that the widget shows, by date."""
    response = await site.client.get(WIDGET_TOURS, params=query, headers=site.widget_headers())
    assert response.status_code == 200, response.text
    slots: dict[str, list[dict[str, Any]]] = response.json()["slots"]
    return slots


async def slots_of_day(site: Site, day: str = DAY) -> dict[str, dict[str, Any]]:
    """Return the slots of a day by their start time."""
    slots = await list_slots(site, startDate=day, endDate=day)
    return {slot["startTime"]: slot for slot in slots.get(day, [])}


async def book(
    site: Site, body: dict[str, Any], email: str | None = None, visitor: str = "v_1"
) -> httpx2.Response:
    """Book a tour as a visitor, with a new e-mail address if none is given."""
    lead_info = {"firstName": "Ada", "email": email or f"{uuid4()}@example.com"}
    return await site.client.post(
        WIDGET_TOURS, json={"leadInfo": lead_info, **body}, headers=site.widget_headers(visitor)
    )


async def hold(site: Site, slot: str, visitor: str = "v_1") -> httpx2.Response:
    """Hold a slot as a visitor."""
    return await site.client.post(
        f"{WIDGET_TOURS}/hold", json={"slotId": slot}, headers=site.widget_headers(visitor)
    )


def at(clock: str, day: str = DAY) -> dict[str, Any]:
    """Return the fields of a request that name a tour's date and time."""
    return {"tourDate": day, "tourTime": clock}


def make_slot(
    property_id: UUID, clock: str, day: date = NEXT_MONTH, zone: str = TIME_ZONE
) -> SlotTime:
    """Return the slot of a property that starts at a local time, such as `10:00`."""
    time = datetime.strptime(clock, "%H:%M").time()  # noqa: DTZ007 — a local time without a zone
    return make_slot_time(property_id, When(day, time, zone))


def example_slots(property_id: UUID) -> dict[str, str]:
    """Return the property's slots for the two slots in the examples of the OpenAPI document."""
    day = date.fromisoformat(example.TOUR_DATE)
    return {
        example.SLOT: str(make_slot(property_id, "10:00", day).id),
        example.FREE_SLOT: str(make_slot(property_id, "12:00", day).id),
    }


def nth_sunday(month: int, number: int) -> date:
    """Return the nth Sunday of a month of next year."""
    first = date(NEXT_MONTH.year + 1, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))
