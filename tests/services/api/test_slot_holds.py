"""A place is kept for a while, for one visitor, and then no more."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.record import Cause
from services.application.command_handler import transact
from services.application.slots import Asked, Guest, keep_place
from services.application.unit_of_work import Scope, UnitOfWork
from tests.services.api.conftest import Site
from tests.services.api.visitor import (
    book,
    keep,
    on,
    slot_at,
)


async def test_a_place_is_kept_for_who_asked_for_it(site: Site) -> None:
    slot = (await on(site))["10:00"]["id"]
    first = await keep(site, slot)
    assert first.status_code == 201, first.text
    left = datetime.fromisoformat(first.json()["hold"]["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    assert (await keep(site, slot)).json() == first.json(), "asked again, it does not last longer"
    assert (await keep(site, slot, "v_2")).json()["code"] == "slot_full"
    assert (await book(site, {"slotId": slot}, visitor="v_2")).status_code == 409
    await site.project()
    assert (await on(site))["10:00"]["available"] is False
    assert (await book(site, {"slotId": slot})).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        (holds,) = [row["holds"] for row in await conn.fetch("SELECT holds FROM tour_slots")]
    assert [hold["expires_at"] for hold in holds.values()] == [None]


async def test_a_hold_needs_somebody_to_be_kept_for(site: Site) -> None:
    slot = (await on(site))["10:00"]["id"]
    answer = await keep(site, slot, "")
    assert (answer.status_code, answer.json()["code"]) == (400, "no_visitor")
    assert (await keep(site, str(uuid4()))).json()["code"] == "no_slot"


@pytest.mark.parametrize(("minutes", "status"), [(9, 409), (11, 201)])
async def test_a_hold_ends_after_ten_minutes_by_time_alone(
    site: Site, minutes: int, status: int
) -> None:
    slot, world = slot_at(site, "10:00").id, site.world
    before = datetime.now(UTC) - timedelta(minutes=minutes)

    async def work(uow: UnitOfWork) -> None:
        await keep_place(uow, Asked(slot), Guest("v_2"))

    scope = Scope(world.org_id, site.property_id, before, Cause("test"))
    await transact(world.pool, scope, work)
    await site.project()
    assert (await on(site))["10:00"]["available"] is (status == 201)
    assert (await book(site, {"slotId": str(slot)})).status_code == status


async def test_of_twenty_that_race_to_keep_a_place_one_does(site: Site) -> None:
    slot = (await on(site))["10:00"]["id"]
    answers = await asyncio.gather(*(keep(site, slot, f"v_{n}") for n in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
