"""Attacks on capacity: one client must not take the places, requests and streams of all others."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2
import pytest

from events.record import Cause
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.slot_holds import hold_slot
from services.application.slot_requests import SlotRequest
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_places import VisitorIdentity, purge
from services.deciders.visitor_limits import VisitorLimits
from tests.services.api.site import WIDGET_TOURS, Site
from tests.services.api.tour_requests import at, book, hold, list_slots
from tests.services.api.widget_requests import change_config

MANY = 10_000
NO_LIMIT = {
    "tour_holds_per_visitor": MANY, "tour_holds_per_network": MANY,
    "future_tours_per_contact": MANY, "future_tours_per_network": MANY, "tour_held_percent": 100,
}  # fmt: skip


async def set_limits(site: Site, **limits: int) -> None:
    """Set these limits as an admin, and no other one."""
    response = await change_config(site, {**NO_LIMIT, **limits})
    assert response.status_code == 200, response.text


async def free_slots(site: Site, number: int = MANY) -> list[str]:
    slots = await list_slots(site)
    return [slot["id"] for day in sorted(slots) for slot in slots[day] if slot["available"]][
        :number
    ]


def codes(responses: list[httpx2.Response]) -> Counter[tuple[int, str | None]]:
    return Counter((response.status_code, response.json().get("code")) for response in responses)


async def test_one_client_takes_a_few_of_the_slots_only(site: Site) -> None:
    """The client has one network, and a new visitor id and address for each request."""
    slots = await free_slots(site)
    assert len(slots) > 200
    responses = []
    for slot in slots[:60]:
        responses.append(await hold(site, slot, f"v_{uuid4()}"))
        responses.append(await book(site, {"slotId": slot}, visitor=f"v_{uuid4()}"))
    assert codes(responses)[201, None] == 30
    assert codes(responses).keys() == {
        (201, None), (409, "slot_full"), (409, "too_many_holds"), (409, "too_many_tours"),
    }  # fmt: skip


async def test_fifty_parallel_holds_of_a_visitor_are_two(site: Site) -> None:
    await set_limits(site, tour_holds_per_visitor=2)
    slots = await free_slots(site, 50)
    responses = await asyncio.gather(*(hold(site, slot) for slot in slots))
    assert codes(responses) == {(201, None): 2, (409, "too_many_holds"): 48}
    held = [response for response in responses if response.status_code == 201]
    again = await hold(site, held[0].json()["hold"]["slotId"])
    assert again.json() == held[0].json(), "a repeated hold is no further hold"
    assert (await hold(site, slots[0], "v_2")).status_code in (201, 409)


async def test_a_session_without_a_visitor_id_has_the_same_limit(site: Site) -> None:
    """The visitor ids differ; a session can be used without one by whoever has its token."""
    await set_limits(site, tour_holds_per_visitor=2)
    first = await site.send_chat("hi", "")
    headers = site.widget_headers("", **{"X-Session-Token": first["sessionToken"]})
    responses = [
        await site.client.post(
            f"{WIDGET_TOURS}/hold", json={"slotId": slot, "sessionId": first["sessionId"]},
            headers=headers,
        )
        for slot in await free_slots(site, 3)
    ]  # fmt: skip
    assert codes(responses) == {(201, None): 2, (409, "too_many_holds"): 1}


async def test_fifty_parallel_holds_of_a_network_stay_within_its_limit(site: Site) -> None:
    await set_limits(site, tour_holds_per_network=3)
    slots = await free_slots(site, 50)
    responses = await asyncio.gather(*(hold(site, slot, f"v_{slot}") for slot in slots))
    assert codes(responses) == {(201, None): 3, (409, "too_many_holds"): 47}


@pytest.mark.parametrize(("percent", "expected"), [(0, 2), (2, 4), (25, 50)])
async def test_fifty_parallel_holds_stay_within_the_share_of_the_property(
    site: Site, percent: int, expected: int
) -> None:
    """A share that is less than two places is two places."""
    await set_limits(site, tour_held_percent=percent)
    slots = await free_slots(site, 50)
    responses = await asyncio.gather(*(hold(site, slot, f"v_{slot}") for slot in slots))
    assert codes(responses)[201, None] == expected
    assert (await book(site, {"slotId": (await free_slots(site, 51))[50]})).status_code == 201


def test_a_quarter_of_the_places_and_at_least_two_can_be_held() -> None:
    limits = VisitorLimits()
    assert [limits.max_held_places(places) for places in (0, 4, 8, 11, 12, 223)] == [
        2, 2, 2, 2, 3, 55,
    ]  # fmt: skip


async def test_a_hold_counts_until_it_ends_or_its_tour_is_booked(site: Site) -> None:
    await set_limits(site, tour_holds_per_visitor=1)
    slots = await free_slots(site, 4)
    world = site.world

    async def hold_before(uow: UnitOfWork) -> None:
        await hold_slot(uow, SlotRequest(UUID(slots[0])), VisitorIdentity("v_1", network="x"))

    ended = datetime.now(UTC) - timedelta(minutes=11)
    await transact(
        world.pool, Scope(world.org_id, site.property_id, ended, Cause("test")), hold_before
    )
    assert (await hold(site, slots[1])).status_code == 201
    assert (await hold(site, slots[2])).json()["code"] == "too_many_holds"
    assert (await book(site, {"slotId": slots[1]})).status_code == 201
    assert (await hold(site, slots[2])).status_code == 201


async def test_fifty_parallel_bookings_of_a_contact_are_three(site: Site) -> None:
    await set_limits(site, future_tours_per_contact=3)
    slots = await free_slots(site, 50)
    responses = await asyncio.gather(
        *(book(site, {"slotId": slot}, "ada@example.com", f"v_{slot}") for slot in slots)
    )
    assert codes(responses) == {(201, None): 3, (409, "slot_full"): 47}
    assert (await site.read_event_types()).count("tour.scheduled") == 3


async def test_fifty_parallel_bookings_of_a_network_stay_within_its_limit(site: Site) -> None:
    await set_limits(site, future_tours_per_network=4)
    slots = await free_slots(site, 50)
    responses = await asyncio.gather(
        *(book(site, {"slotId": slot}, visitor=f"v_{slot}") for slot in slots)
    )
    assert codes(responses) == {(201, None): 4, (409, "too_many_tours"): 46}


async def test_tours_of_an_agent_and_cancelled_tours_do_not_count(site: Site) -> None:
    await set_limits(site, future_tours_per_contact=1)
    lead = await site.create_lead(email="ada@example.com")
    await site.book_tour(lead, tourTime="09:00")
    first = await book(site, at("10:00"), "ada@example.com")
    assert first.status_code == 201
    assert (await book(site, at("11:00"), "ada@example.com")).status_code == 409
    cancelled = await site.client.delete(
        f"/api/leads/{lead}/tours", params={"tourId": first.json()["booking"]["id"]},
        headers=site.console_headers(),
    )  # fmt: skip
    assert cancelled.status_code == 200
    assert (await book(site, at("11:00"), "ada@example.com")).status_code == 201


async def test_a_stranger_cannot_use_up_the_tours_of_a_person(site: Site) -> None:
    """The person's own session counts its own bookings, and learns why one is refused."""
    await set_limits(site, future_tours_per_contact=2)
    session = str(uuid4())
    contact = {"email": "ada@example.com", "firstName": "Ada"}
    await site.client.post(
        "/api/lumaleasing/lead", json={"sessionId": session, **contact},
        headers=site.widget_headers("v_ada"),
    )  # fmt: skip
    for clock in ("09:00", "10:00"):
        assert (await book(site, at(clock), contact["email"], "v_eve")).status_code == 201
    assert (await book(site, at("11:00"), contact["email"], "v_eve")).json()["code"] == "slot_full"
    own = [
        await book(site, {**at(clock), "sessionId": session}, contact["email"], "v_ada")
        for clock in ("12:00", "13:00", "14:00")
    ]
    assert codes(own) == {(201, None): 2, (409, "too_many_tours"): 1}


async def test_the_network_and_the_visitor_are_stored_as_keyed_hashes(site: Site) -> None:
    await hold(site, (await free_slots(site, 1))[0], "v_visitor")
    row = await site.world.pool.fetchrow("SELECT * FROM crm.visitor_places")
    assert row is not None
    assert len(row["visitor"]) == len(row["network"]) == 64
    assert "v_visitor" not in str(row)
    assert "127.0.0" not in str(row)


async def test_rows_of_the_past_are_purged(site: Site) -> None:
    slots = await free_slots(site, 3)
    for number, slot in enumerate(slots):
        await hold(site, slot, f"v_{number}")
    pool = site.world.pool
    await pool.execute(
        "UPDATE crm.visitor_places SET ends_at = now() - interval '2 days' WHERE place_id <> "
        "(SELECT min(place_id::text)::uuid FROM crm.visitor_places)"
    )
    async with pool.acquire() as conn:
        assert [await purge(conn, 1) for _ in range(3)] == [1, 1, 0]
    assert await site.world.count("crm.visitor_places") == 1
