"""The tours of a property, of all its leads, over HTTP."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.services.api.site import NEXT_MONTH, TIME_ZONE, Site, create_second_property

DAY = timedelta(days=1)


async def list_tours(site: Site, **query: str) -> dict[str, Any]:
    response = await site.client.get(
        "/api/tours", params={"propertyId": str(site.property_id), **query},
        headers=site.console_headers(site.viewer),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_the_tours_of_all_leads_are_listed_in_order(site: Site) -> None:
    ada, grace = await site.create_lead(firstName="Ada"), await site.create_lead(firstName="Grace")
    late = await site.book_tour(ada, tourTime="15:00", assignedAgentId=str(site.manager))
    early = await site.book_tour(grace, tourTime="10:00")
    next_day = await site.book_tour(grace, tourDate=str(NEXT_MONTH + DAY))
    await site.client.delete(
        f"/api/leads/{grace}/tours", params={"tourId": early["id"]}, headers=site.console_headers()
    )
    await site.project()
    found = await list_tours(site, **{"from": str(NEXT_MONTH), "to": str(NEXT_MONTH)})
    first, second = found.pop("tours")
    assert found == {
        "from": str(NEXT_MONTH), "to": str(NEXT_MONTH), "timeZone": TIME_ZONE, "hasMore": False
    }  # fmt: skip
    assert (first["id"], first["status"], first["lead"]["first_name"]) == (
        early["id"], "cancelled", "Grace"
    )  # fmt: skip
    assert (second["id"], second["agent_name"], second["revision"]) == (late["id"], "Sam", 1)
    found = await list_tours(site, **{"from": str(NEXT_MONTH)})
    assert [tour["id"] for tour in found["tours"]] == [early["id"], late["id"], next_day["id"]]


async def test_the_days_are_seven_from_today_in_the_zone_of_the_property(site: Site) -> None:
    today = datetime.now(ZoneInfo(TIME_ZONE)).date()
    found = await list_tours(site)
    assert (found["from"], found["to"]) == (str(today), str(today + 6 * DAY))


@pytest.mark.parametrize(
    ("begin", "end"),
    [("2036-05-14", "2036-05-13"), ("2036-05-14", "2036-09-01"), ("9999-12-31", "9999-12-31")],
)
async def test_a_range_that_is_reversed_or_too_long_is_refused(
    begin: str, end: str, site: Site
) -> None:
    response = await site.client.get(
        "/api/tours", params={"propertyId": str(site.property_id), "from": begin, "to": end},
        headers=site.console_headers(),
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (400, "invalid_range")


async def test_a_tour_is_read_by_its_id(site: Site) -> None:
    tour = await site.book_tour(await site.create_lead(firstName="Ada"))
    await site.project()
    for tour_id, status in ((tour["id"], 200), (uuid4(), 404)):
        response = await site.client.get(f"/api/tours/{tour_id}", headers=site.console_headers())
        assert response.status_code == status
        if status == 200:
            assert response.json()["tour"]["lead"]["first_name"] == "Ada"


async def test_each_property_has_its_own_tours(site: Site) -> None:
    other = await create_second_property(site.world)
    await site.book_tour(await site.create_lead())
    await site.project()
    found = await list_tours(site, propertyId=str(other), **{"from": str(NEXT_MONTH)})
    assert found["tours"] == []
    response = await site.client.get(
        "/api/tours", params={"propertyId": str(UUID(int=1))}, headers=site.console_headers()
    )
    assert response.status_code == 404
