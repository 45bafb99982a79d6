"""An agent has at most one tour at a time, in all properties of the organisation."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import httpx2

from tests.services.api.site import Site, create_profile, create_second_property
from tests.services.api.tour_requests import at, configure_widget
from tests.world import make_world


async def book_with_agent(
    site: Site, lead: UUID, clock: str, agent: UUID | None
) -> httpx2.Response:
    body = {**at(clock), "assignedAgentId": str(agent) if agent else None}
    return await site.client.post(
        f"/api/leads/{lead}/tours", json=body, headers=site.console_headers()
    )


async def test_one_of_several_parallel_tours_in_two_properties_gets_the_agent(site: Site) -> None:
    agent = await create_profile(site.world, "viewer")
    other_property = await create_second_property(site.world)
    for property_id in (site.property_id, other_property):
        await configure_widget(site, property_id, tour_capacity=50)
    leads = [await site.create_lead() for _ in range(12)]
    other_leads = [await site.create_lead(propertyId=str(other_property)) for _ in range(3)]
    clocks = ["10:00", "10:10", "10:20"]
    responses = await asyncio.gather(
        *(book_with_agent(site, lead, clocks[n % 3], agent) for n, lead in enumerate(leads)),
        *(
            book_with_agent(site, lead, clock, agent)
            for lead, clock in zip(other_leads, clocks, strict=True)
        ),
    )
    codes = Counter((response.status_code, response.json().get("code")) for response in responses)
    assert codes == {(201, None): 1, (409, "agent_busy"): 14}


async def test_an_agent_is_not_assigned_to_or_moved_into_an_overlapping_tour(site: Site) -> None:
    await configure_widget(site, tour_capacity=5)
    agent = await create_profile(site.world, "viewer")
    lead = await site.create_lead()
    assert (await book_with_agent(site, lead, "10:00", agent)).status_code == 201
    later = (await book_with_agent(site, lead, "11:00", agent)).json()["tour"]
    without_agent = (await book_with_agent(site, lead, "10:15", None)).json()["tour"]

    async def patch(tour: dict[str, Any], **changes: Any) -> tuple[int, str | None]:
        response = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": tour["id"], **changes},
            headers=site.console_headers(),
        )  # fmt: skip
        return response.status_code, response.json().get("code")

    assert await patch(later, tourTime="10:10") == (409, "agent_busy")
    assert await patch(without_agent, assignedAgentId=str(agent)) == (409, "agent_busy")
    assert await patch(without_agent, assignedAgentId=str(agent), tourTime="12:00") == (200, None)
    assert await patch(later, tourTime="12:15") == (409, "agent_busy")
    assert await patch(later, tourTime="12:15", assignedAgentId=None) == (200, None)
    assert await patch(later, tourTime="10:30", assignedAgentId=str(agent)) == (200, None)


async def test_an_agent_of_a_cancelled_tour_is_available_again(site: Site) -> None:
    agent = await create_profile(site.world, "viewer")
    lead, other = await site.create_lead(), await site.create_lead()
    tour = (await book_with_agent(site, lead, "10:00", agent)).json()["tour"]
    await site.client.delete(
        f"/api/leads/{lead}/tours", params={"tourId": tour["id"]}, headers=site.console_headers()
    )
    assert (await book_with_agent(site, other, "10:00", agent)).status_code == 201


async def test_one_of_several_parallel_assignments_gets_the_agent(site: Site) -> None:
    await configure_widget(site, tour_capacity=10)
    agent = await create_profile(site.world, "viewer")
    leads = [await site.create_lead() for _ in range(6)]
    tours = [(await book_with_agent(site, lead, "10:00", None)).json()["tour"] for lead in leads]
    responses = await asyncio.gather(
        *(
            site.client.patch(
                f"/api/leads/{lead}/tours",
                json={"tourId": tour["id"], "assignedAgentId": str(agent)},
                headers=site.console_headers(),
            )
            for lead, tour in zip(leads, tours, strict=True)
        )
    )
    assert Counter(response.status_code for response in responses) == {200: 1, 409: 5}


async def test_a_profile_of_another_organisation_cannot_be_a_tour_s_agent(site: Site) -> None:
    lead = await site.create_lead()
    other_admin = await create_profile(await make_world(site.world.pool), "manager")
    response = await site.client.post(
        f"/api/leads/{lead}/tours",
        json={**at("10:00"), "assignedAgentId": str(other_admin)},
        headers=site.console_headers(),
    )
    assert (response.status_code, response.json()["code"]) == (400, "unknown_profile")
