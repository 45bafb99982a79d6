"""What a visitor asks of the tours of a property, and how the property is set up for it."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from events.widgets import WidgetConfigured
from services.deciders.local_time import When
from services.deciders.slot_schedule import WEEKDAYS
from services.deciders.slot_times import slot_of
from tests.services.api.conftest import NEXT_MONTH, Site

DAY = NEXT_MONTH.isoformat()
TOURS = "/api/lumaleasing/tours"


async def configure(site: Site, **settings: Any) -> None:
    said = {"property_id": site.property_id, **settings}
    await site.world.append(site.world.new(WidgetConfigured.model_validate(said)))


async def live_in(site: Site, zone: str) -> None:
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = $1", {"timezone": zone})


def every_day(start: str, end: str) -> dict[str, Any]:
    return {name: {"start": start, "end": end} for name in WEEKDAYS}


async def slots(site: Site, **query: str) -> dict[str, list[dict[str, Any]]]:
    answer = await site.client.get(TOURS, params=query, headers=site.widget())
    assert answer.status_code == 200, answer.text
    found: dict[str, list[dict[str, Any]]] = answer.json()["slots"]
    return found


async def on(site: Site, day: str = DAY) -> dict[str, dict[str, Any]]:
    """The slots of a day, by their beginning."""
    found = await slots(site, startDate=day, endDate=day)
    return {slot["startTime"]: slot for slot in found.get(day, [])}


async def book(
    site: Site, body: dict[str, Any], email: str | None = None, visitor: str = "v_1"
) -> httpx2.Response:
    info = {"firstName": "Ada", "email": email or f"{uuid4()}@example.com"}
    return await site.client.post(
        TOURS, json={"leadInfo": info, **body}, headers=site.widget(visitor)
    )


def at(clock: str, day: str = DAY) -> dict[str, Any]:
    return {"tourDate": day, "tourTime": clock}


def slot_at(site: Site, clock: str, day: date = NEXT_MONTH, zone: str = "America/New_York") -> Any:
    time = datetime.strptime(clock, "%H:%M").time()  # noqa: DTZ007 — a time on a wall
    return slot_of(site.property_id, When(day, time, zone))


def sunday(month: int, number: int) -> date:
    """The nth Sunday of a month, next year."""
    first = date(NEXT_MONTH.year + 1, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


async def keep(site: Site, slot: str, visitor: str = "v_1") -> httpx2.Response:
    return await site.client.post(
        f"{TOURS}/hold", json={"slotId": slot}, headers=site.widget(visitor)
    )
