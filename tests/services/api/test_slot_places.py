"""As many tours as there are places, never more and never fewer, whoever books."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from tests.services.api.conftest import Site
from tests.services.api.visitor import (
    at,
    book,
    configure,
    on,
)


@pytest.mark.parametrize("capacity", [1, 3, 10])
async def test_of_fifty_that_race_for_a_slot_as_many_get_it_as_there_are_places(
    site: Site, capacity: int
) -> None:
    await configure(site, tour_capacity=capacity)
    answers = await asyncio.gather(
        *(book(site, at("10:00"), visitor=f"v_{number}") for number in range(50))
    )
    codes = Counter((a.status_code, a.json().get("code")) for a in answers)
    assert codes == {(201, None): capacity, (409, "slot_full"): 50 - capacity}
    assert Counter(await site.log())["tour.scheduled"] == capacity
    await site.project()
    assert (await on(site))["10:00"]["available"] is False


@pytest.mark.parametrize("capacity", [1, 3])
async def test_console_and_widget_race_for_the_same_places_overlapping_ones_too(
    site: Site, capacity: int
) -> None:
    await configure(site, tour_capacity=capacity)
    leads = [await site.lead() for _ in range(8)]

    async def by_agent(lead: UUID, clock: str) -> int:
        answer = await site.client.post(
            f"/api/leads/{lead}/tours", json=at(clock), headers=site.console()
        )
        return answer.status_code

    async def by_visitor(number: int) -> int:
        return (await book(site, at("10:00"), visitor=f"v_{number}")).status_code

    answers = await asyncio.gather(
        *(by_agent(lead, ("10:00", "10:10")[n % 2]) for n, lead in enumerate(leads)),
        *(by_visitor(number) for number in range(8)),
    )
    assert Counter(answers) == {201: capacity, 409: 16 - capacity}


async def test_a_cancelled_or_moved_tour_frees_its_place(site: Site) -> None:
    lead = await site.lead()
    tour = await site.tour(lead, tourTime="10:00")
    url = f"/api/leads/{lead}/tours"
    assert (await book(site, at("10:00"))).status_code == 409
    moved = await site.client.patch(
        url, json={"tourId": tour["id"], "tourTime": "11:00"}, headers=site.console()
    )
    assert moved.json()["tour"]["revision"] == 2
    assert (await book(site, at("11:00"))).status_code == 409
    assert (await book(site, at("10:00"))).status_code == 201
    back = await site.client.patch(
        url, json={"tourId": tour["id"], "tourTime": "10:00"}, headers=site.console()
    )
    assert (back.status_code, back.json()["code"]) == (409, "slot_full")
    gone = await site.client.delete(url, params={"tourId": tour["id"]}, headers=site.console())
    assert gone.status_code == 200
    assert (await book(site, at("11:00"))).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        held = await conn.fetch("SELECT holds FROM tour_slots")
    assert [len(row["holds"]) for row in held] == [1, 1]


async def test_a_move_within_ones_own_time_is_no_conflict_with_oneself(site: Site) -> None:
    lead = await site.lead()
    tour = await site.tour(lead, tourTime="10:00")
    moved = await site.client.patch(
        f"/api/leads/{lead}/tours", json={"tourId": tour["id"], "tourTime": "10:15"},
        headers=site.console(),
    )  # fmt: skip
    assert moved.status_code == 200
    assert (await book(site, at("10:30"))).status_code == 409
    assert (await book(site, at("11:00"))).status_code == 201


async def test_a_person_may_book_outside_the_hours_a_visitor_may_not(site: Site) -> None:
    lead = await site.lead()
    assert (await site.tour(lead, tourTime="20:00"))["tour_time"] == "20:00:00"
    assert (await book(site, at("20:00"))).json()["code"] == "no_slot"
    other = await site.client.post(
        f"/api/leads/{await site.lead()}/tours", json=at("20:00"), headers=site.console()
    )
    assert (other.status_code, other.json()["code"]) == (409, "slot_full")
