"""The slots of a property with their free places, as its agents see them."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.services.api.site import NEXT_MONTH, TIME_ZONE, Site
from tests.services.api.tour_requests import at, book, configure_widget, daily_hours, slots_of_day

ONE_DAY = timedelta(days=1)
DAYS = {"from": str(NEXT_MONTH), "to": str(NEXT_MONTH)}


async def read_slots(site: Site, **query: str) -> dict[str, Any]:
    response = await site.client.get(
        "/api/slots", params={"propertyId": str(site.property_id), **DAYS, **query},
        headers=site.console_headers(site.viewer),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_slots_have_the_places_that_the_widget_offers(site: Site) -> None:
    await configure_widget(site, tour_hours=daily_hours("10:00", "11:30"), tour_capacity=2)
    await site.book_tour(await site.create_lead(), tourTime="10:30")
    for _ in range(2):
        assert (await book(site, at("11:00"))).status_code == 201
    await site.project()
    found = await read_slots(site)
    [day] = found.pop("days")
    assert found == {
        "timeZone": TIME_ZONE, "toursEnabled": True, "tourDuration": 30, "capacity": 2
    }  # fmt: skip
    assert (day["date"], day["closed"]) == (str(NEXT_MONTH), None)
    assert [(slot["startTime"], slot["freePlaces"]) for slot in day["slots"]] == [
        ("10:00", 2), ("10:30", 1), ("11:00", 0)
    ]  # fmt: skip
    offered = await slots_of_day(site)
    assert {slot["startTime"]: slot["freePlaces"] > 0 for slot in day["slots"]} == {
        clock: slot["available"] for clock, slot in offered.items()
    }


async def test_a_day_without_slots_says_why(site: Site) -> None:
    week = daily_hours("10:00", "11:00")
    weekday = f"{NEXT_MONTH + 2 * ONE_DAY:%A}".lower()
    await configure_widget(
        site, business_hours={**week, weekday: None}, holidays=(NEXT_MONTH + ONE_DAY,),
        tour_blackout_dates=(NEXT_MONTH,), tours_enabled=False,
    )  # fmt: skip
    await site.project()
    found = await read_slots(site, to=str(NEXT_MONTH + 3 * ONE_DAY))
    assert [day["closed"] for day in found["days"]] == ["blackout", "holiday", "weekday", None]
    assert [len(day["slots"]) for day in found["days"]] == [0, 0, 0, 2]
    assert found["toursEnabled"] is False


async def test_without_days_the_range_is_that_of_the_widget(site: Site) -> None:
    response = await site.client.get(
        "/api/slots", params={"propertyId": str(site.property_id)}, headers=site.console_headers()
    )
    assert len(response.json()["days"]) == 15


@pytest.mark.parametrize("end", ["2020-01-01", "2037-01-01"])
async def test_a_range_that_is_reversed_or_too_long_is_refused(end: str, site: Site) -> None:
    response = await site.client.get(
        "/api/slots", params={"propertyId": str(site.property_id), **DAYS, "to": end},
        headers=site.console_headers(),
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (400, "invalid_range")


async def test_the_slots_of_an_unknown_property_are_404(site: Site) -> None:
    response = await site.client.get(
        "/api/slots", params={"propertyId": str(uuid4())}, headers=site.console_headers()
    )
    assert response.status_code == 404
