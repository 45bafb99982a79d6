"""The capacity of a slot: exactly as many tours are booked as it has places."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from tests.services.api.site import Site
from tests.services.api.tour_requests import at, book, configure_widget, slots_of_day


@pytest.mark.parametrize("capacity", [1, 3, 10])
async def test_fifty_parallel_bookings_fill_exactly_the_places_of_a_slot(
    site: Site, capacity: int
) -> None:
    await configure_widget(site, tour_capacity=capacity)
    responses = await asyncio.gather(
        *(book(site, at("10:00"), visitor=f"v_{number}") for number in range(50))
    )
    codes = Counter((response.status_code, response.json().get("code")) for response in responses)
    assert codes == {(201, None): capacity, (409, "slot_full"): 50 - capacity}
    assert Counter(await site.read_event_types())["tour.scheduled"] == capacity
    await site.project()
    assert (await slots_of_day(site))["10:00"]["available"] is False


@pytest.mark.parametrize("capacity", [1, 3])
async def test_agents_and_visitors_share_the_places_of_overlapping_slots(
    site: Site, capacity: int
) -> None:
    await configure_widget(site, tour_capacity=capacity)
    leads = [await site.create_lead() for _ in range(8)]

    async def book_as_agent(lead: UUID, clock: str) -> int:
        response = await site.client.post(
            f"/api/leads/{lead}/tours", json=at(clock), headers=site.console_headers()
        )
        return response.status_code

    async def book_as_visitor(number: int) -> int:
        return (await book(site, at("10:00"), visitor=f"v_{number}")).status_code

    responses = await asyncio.gather(
        *(book_as_agent(lead, ("10:00", "10:10")[n % 2]) for n, lead in enumerate(leads)),
        *(book_as_visitor(number) for number in range(8)),
    )
    assert Counter(responses) == {201: capacity, 409: 16 - capacity}


async def test_a_cancelled_or_moved_tour_frees_its_place(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.book_tour(lead, tourTime="10:00")
    url = f"/api/leads/{lead}/tours"
    assert (await book(site, at("10:00"))).status_code == 409
    moved = await site.client.patch(
        url, json={"tourId": tour["id"], "tourTime": "11:00"}, headers=site.console_headers()
    )
    assert moved.json()["tour"]["revision"] == 2
    assert (await book(site, at("11:00"))).status_code == 409
    assert (await book(site, at("10:00"))).status_code == 201
    moved_back = await site.client.patch(
        url, json={"tourId": tour["id"], "tourTime": "10:00"}, headers=site.console_headers()
    )
    assert (moved_back.status_code, moved_back.json()["code"]) == (409, "slot_full")
    cancelled = await site.client.delete(
        url, params={"tourId": tour["id"]}, headers=site.console_headers()
    )
    assert cancelled.status_code == 200
    assert (await book(site, at("11:00"))).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        slots = await conn.fetch("SELECT holds FROM tour_slots")
    assert [len(row["holds"]) for row in slots] == [1, 1]


async def test_a_tour_can_move_to_a_time_that_overlaps_its_own(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.book_tour(lead, tourTime="10:00")
    moved = await site.client.patch(
        f"/api/leads/{lead}/tours", json={"tourId": tour["id"], "tourTime": "10:15"},
        headers=site.console_headers(),
    )  # fmt: skip
    assert moved.status_code == 200
    assert (await book(site, at("10:30"))).status_code == 409
    assert (await book(site, at("11:00"))).status_code == 201


async def test_an_agent_can_book_outside_the_tour_hours_and_a_visitor_cannot(site: Site) -> None:
    lead = await site.create_lead()
    assert (await site.book_tour(lead, tourTime="20:00"))["tour_time"] == "20:00:00"
    assert (await book(site, at("20:00"))).json()["code"] == "no_slot"
    other = await site.client.post(
        f"/api/leads/{await site.create_lead()}/tours",
        json=at("20:00"),
        headers=site.console_headers(),
    )
    assert (other.status_code, other.json()["code"]) == (409, "slot_full")
