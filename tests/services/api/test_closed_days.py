"""Days without tours: single days are added and removed, and simultaneous changes are kept."""

import asyncio
from typing import Any

from tests.services.api.site import Site

PATH = "/api/lumaleasing/admin/closed-days"


async def change_days(site: Site, **fields: Any) -> Any:
    body = {"propertyId": str(site.property_id), "kind": "blackout", **fields}
    return await site.client.patch(PATH, json=body, headers=site.console_headers(site.admin))


async def test_days_are_added_and_removed(site: Site) -> None:
    response = await change_days(site, add=["2036-12-25", "2036-12-24"])
    assert response.json() == {"kind": "blackout", "days": ["2036-12-24", "2036-12-25"]}
    response = await change_days(site, add=["2036-12-26"], remove=["2036-12-24"])
    assert response.json()["days"] == ["2036-12-25", "2036-12-26"]
    await site.project()
    response = await site.client.get(
        "/api/lumaleasing/admin/config", params={"propertyId": str(site.property_id)},
        headers=site.console_headers(site.admin),
    )  # fmt: skip
    config = response.json()["config"]
    assert config["tour_blackout_dates"] == ["2036-12-25", "2036-12-26"]
    assert not config["holidays"]


async def test_simultaneous_changes_of_two_admins_are_both_kept(site: Site) -> None:
    days = [f"2036-12-{day}" for day in range(10, 16)]
    responses = await asyncio.gather(*(change_days(site, add=[day]) for day in days))
    assert {response.status_code for response in responses} == {200}
    assert (await change_days(site, remove=["2036-01-01"])).json()["days"] == days


async def test_a_change_that_is_there_already_makes_no_event(site: Site) -> None:
    for _ in range(2):
        response = await change_days(site, kind="holiday", add=["2036-12-25"])
        assert response.status_code == 200, response.text
    number = await site.world.pool.fetchval(
        "SELECT count(*) FROM crm_events WHERE event_type = 'widget.configured' AND actor = $1",
        f"user:{site.admin}",
    )
    assert number == 1


async def test_a_wrong_change_is_refused(site: Site) -> None:
    for fields in ({}, {"add": ["2036-12-25"], "remove": ["2036-12-25"]}, {"kind": "x"}):
        assert (await change_days(site, **fields)).status_code == 400
    days = [f"20{year}-{month:02}-01" for year in range(30, 64) for month in range(1, 13)]
    assert (await change_days(site, add=days[:400])).status_code == 200
    response = await change_days(site, add=days[400:])
    assert (response.status_code, response.json()["code"]) == (409, "too_many_days")
