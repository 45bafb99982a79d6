"""An agent gives one tour at a time."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import httpx2

from tests.services.api.conftest import Site, employ
from tests.services.api.visitor import (
    at,
    configure,
)


async def assign(site: Site, lead: UUID, clock: str, agent: UUID | None) -> httpx2.Response:
    body = {**at(clock), "assignedAgentId": str(agent) if agent else None}
    return await site.client.post(f"/api/leads/{lead}/tours", json=body, headers=site.console())


async def second_house(site: Site) -> UUID:
    key = uuid4()
    async with site.world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO properties (id, org_id, name, settings) VALUES ($1, $2, 'Two', $3)",
            key,
            site.world.org_id,
            {"timezone": "America/New_York"},
        )
    return key


async def test_an_agent_is_never_in_two_places_however_many_ask_at_once(site: Site) -> None:
    await configure(site, tour_capacity=50)
    agent, elsewhere = await employ(site.world, "viewer"), await second_house(site)
    here = [await site.lead() for _ in range(12)]
    there = [await site.lead(propertyId=str(elsewhere)) for _ in range(3)]
    clocks = ["10:00", "10:10", "10:20"]
    answers = await asyncio.gather(
        *(assign(site, lead, clocks[n % 3], agent) for n, lead in enumerate(here)),
        *(assign(site, lead, clock, agent) for lead, clock in zip(there, clocks, strict=True)),
    )
    codes = Counter((a.status_code, a.json().get("code")) for a in answers)
    assert codes[201, None] == 1
    assert set(codes) <= {(201, None), (409, "agent_busy"), (409, "slot_full")}
    assert sum(codes.values()) == 15


async def test_an_agent_is_not_moved_or_assigned_into_a_second_tour(site: Site) -> None:
    await configure(site, tour_capacity=5)
    agent = await employ(site.world, "viewer")
    lead = await site.lead()
    assert (await assign(site, lead, "10:00", agent)).status_code == 201
    later = (await assign(site, lead, "11:00", agent)).json()["tour"]
    free = (await assign(site, lead, "10:15", None)).json()["tour"]

    async def patch(tour: dict[str, Any], **changes: Any) -> tuple[int, str | None]:
        answer = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": tour["id"], **changes},
            headers=site.console(),
        )  # fmt: skip
        return answer.status_code, answer.json().get("code")

    assert await patch(later, tourTime="10:10") == (409, "agent_busy")
    assert await patch(free, assignedAgentId=str(agent)) == (409, "agent_busy")
    assert await patch(free, assignedAgentId=str(agent), tourTime="12:00") == (200, None)
    assert await patch(later, tourTime="12:15") == (409, "agent_busy")
    assert await patch(later, tourTime="12:15", assignedAgentId=None) == (200, None)
    assert await patch(later, tourTime="10:30", assignedAgentId=str(agent)) == (200, None)


async def test_a_cancelled_tour_gives_its_agent_back(site: Site) -> None:
    agent = await employ(site.world, "viewer")
    lead, other = await site.lead(), await site.lead()
    tour = (await assign(site, lead, "10:00", agent)).json()["tour"]
    await site.client.delete(
        f"/api/leads/{lead}/tours", params={"tourId": tour["id"]}, headers=site.console()
    )
    assert (await assign(site, other, "10:00", agent)).status_code == 201


async def test_assigning_one_agent_to_tours_at_once_assigns_it_to_one(site: Site) -> None:
    await configure(site, tour_capacity=10)
    agent = await employ(site.world, "viewer")
    leads = [await site.lead() for _ in range(6)]
    tours = [(await assign(site, lead, "10:00", None)).json()["tour"] for lead in leads]
    answers = await asyncio.gather(
        *(
            site.client.patch(
                f"/api/leads/{lead}/tours",
                json={"tourId": tour["id"], "assignedAgentId": str(agent)},
                headers=site.console(),
            )
            for lead, tour in zip(leads, tours, strict=True)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
