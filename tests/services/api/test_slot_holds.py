"""Slot holds: a place is reserved for one visitor for ten minutes."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.record import Cause
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.slot_holds import hold_slot
from services.application.slot_requests import SlotRequest
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_places import VisitorIdentity
from tests.services.api.site import Site
from tests.services.api.tour_requests import book, hold, make_slot, slots_of_day


async def test_a_held_place_is_reserved_for_its_visitor(site: Site) -> None:
    slot = (await slots_of_day(site))["10:00"]["id"]
    first = await hold(site, slot)
    assert first.status_code == 201, first.text
    remaining = datetime.fromisoformat(first.json()["hold"]["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < remaining <= timedelta(minutes=10)
    assert (await hold(site, slot)).json() == first.json(), "a repeated hold does not last longer"
    assert (await hold(site, slot, "v_2")).json()["code"] == "slot_full"
    assert (await book(site, {"slotId": slot}, visitor="v_2")).status_code == 409
    await site.project()
    assert (await slots_of_day(site))["10:00"]["available"] is False
    assert (await book(site, {"slotId": slot})).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        (holds,) = [row["holds"] for row in await conn.fetch("SELECT holds FROM tour_slots")]
    assert [place["expires_at"] for place in holds.values()] == [None]


async def test_a_hold_without_a_visitor_or_of_an_unknown_slot_is_refused(site: Site) -> None:
    slot = (await slots_of_day(site))["10:00"]["id"]
    response = await hold(site, slot, "")
    assert (response.status_code, response.json()["code"]) == (400, "no_visitor")
    assert (await hold(site, str(uuid4()))).json()["code"] == "no_slot"


@pytest.mark.parametrize(("minutes", "status"), [(9, 409), (11, 201)])
async def test_a_hold_ends_after_ten_minutes(site: Site, minutes: int, status: int) -> None:
    slot, world = make_slot(site.property_id, "10:00").id, site.world
    held_at = datetime.now(UTC) - timedelta(minutes=minutes)

    async def hold_as_other_visitor(uow: UnitOfWork) -> None:
        await hold_slot(uow, SlotRequest(slot), VisitorIdentity("v_2"))

    scope = Scope(world.org_id, site.property_id, held_at, Cause("test"))
    await transact(world.pool, scope, hold_as_other_visitor)
    await site.project()
    assert (await slots_of_day(site))["10:00"]["available"] is (status == 201)
    assert (await book(site, {"slotId": str(slot)})).status_code == status


async def test_one_of_twenty_parallel_holds_gets_the_only_place(site: Site) -> None:
    slot = (await slots_of_day(site))["10:00"]["id"]
    responses = await asyncio.gather(*(hold(site, slot, f"v_{n}") for n in range(20)))
    assert Counter(response.status_code for response in responses) == {201: 1, 409: 19}
