"""Visitors see slots and book tours in them, through real HTTP."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from events.leads import LeadStatus
from events.record import Cause
from services.application.command_handler import handle
from services.application.unit_of_work import Scope
from services.deciders.leads import ChangeStatus
from services.deciders.slot_times import slot_of
from tests.services.api.conftest import NEXT_MONTH, Site
from tests.services.api.visitor import (
    DAY,
    TOURS,
    at,
    book,
    configure,
    every_day,
    on,
    slot_at,
    slots,
)
from tests.world import make_world


async def test_the_slots_of_a_property_are_listed_by_day(site: Site) -> None:
    await configure(site, tour_hours=every_day("10:00", "11:00"), tour_duration_minutes=20)
    answer = await site.client.get(
        TOURS, params={"startDate": DAY, "endDate": DAY}, headers=site.widget()
    )
    said = answer.json()
    assert said["tourDuration"] == 20
    assert [(s["startTime"], s["endTime"], s["available"]) for s in said["slots"][DAY]] == [
        ("10:00", "10:20", True), ("10:20", "10:40", True), ("10:40", "11:00", True),
    ]  # fmt: skip
    assert {s["date"] for s in said["slots"][DAY]} == {DAY}
    assert len(await slots(site)) in (14, 15), "two weeks, today's where some are left"


async def test_a_range_that_is_none_is_refused(site: Site) -> None:
    for query in (
        {"startDate": DAY, "endDate": "2020-01-01"}, {"startDate": "9999-12-31"},
        {"startDate": DAY, "endDate": "2099-01-01"}, {"startDate": "tomorrow"},
        {"startDate": "0001-01-01"},
    ):  # fmt: skip
        answer = await site.client.get(TOURS, params=query, headers=site.widget())
        assert answer.status_code == 400, query


async def test_where_tours_are_off_there_are_none(site: Site) -> None:
    slot = (await on(site))["10:00"]
    await configure(site, tours_enabled=False)
    asked = await site.client.get(TOURS, headers=site.widget())
    held = await site.client.post(
        f"{TOURS}/hold", json={"slotId": slot["id"]}, headers=site.widget()
    )
    for answer in (asked, held, await book(site, at("10:00"))):
        assert (answer.status_code, answer.json()["code"]) == (404, "tours_off")


async def test_a_slot_is_booked_by_its_id_and_is_taken_then(site: Site) -> None:
    session = str(uuid4())
    slot = (await on(site))["10:00"]
    answer = await book(
        site,
        {"slotId": slot["id"], "sessionId": session, "specialRequests": "A ramp, please."},
        "Ada@Example.com",
    )
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert {**said["booking"], "id": None} == {
        "id": None, "date": DAY, "time": "10:00", "status": "scheduled",
    }  # fmt: skip
    assert f"{NEXT_MONTH:%A, %B} {NEXT_MONTH.day}" in said["message"]
    assert "10:00 AM" in said["message"]
    await site.project()
    assert (await on(site))["10:00"]["available"] is False
    assert (await on(site))["10:30"]["available"] is True
    async with site.world.pool.acquire() as conn:
        (lead,) = await conn.fetch("SELECT * FROM leads")
        (tour,) = await conn.fetch("SELECT * FROM tours")
        whose = await conn.fetchval("SELECT lead_id FROM widget_sessions WHERE id = $1", session)
    assert (lead["source"], lead["email"], lead["status"]) == (
        "LumaLeasing Tour Booking", "ada@example.com", "tour_booked",
    )  # fmt: skip
    assert (tour["id"], tour["lead_id"], tour["notes"], tour["created_by"]) == (
        UUID(said["booking"]["id"]), lead["id"], "A ramp, please.", None,
    )  # fmt: skip
    assert whose == lead["id"]


async def test_what_cannot_be_booked_is_refused(site: Site) -> None:
    slot = (await on(site))["10:00"]["id"]
    yesterday = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    cases: tuple[tuple[dict[str, Any], int, str], ...] = (
        ({}, 400, "no_slot"),
        ({"tourDate": DAY}, 400, "no_slot"),
        ({"slotId": str(uuid4())}, 400, "no_slot"),
        (at("10:10"), 400, "no_slot"),
        (at("03:00"), 400, "no_slot"),
        (at("10:00", yesterday), 400, "tour_in_past"),
        ({"slotId": slot, "leadInfo": {"firstName": "Ada"}}, 400, "no_email"),
        ({"slotId": slot, "leadInfo": {"email": "no"}}, 400, "invalid_email"),
        (at("10:00", "9999-12-31"), 400, "invalid_date"),
        ({"slotId": "x"}, 400, "invalid"),
    )
    for body, status, code in cases:
        answer = await book(site, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert await site.log() == []


@pytest.mark.parametrize("email", ["ada@example.com", "test@example.com"])
async def test_a_client_that_asks_again_without_a_key_has_one_booking(
    site: Site, email: str
) -> None:
    """test@ identifies nobody; the visitor does."""
    body = at("10:00")
    answers = await asyncio.gather(*(book(site, body, email) for _ in range(5)))
    answers.append(await book(site, body, email.upper()))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["booking"]["id"] for answer in answers}) == 1
    assert Counter(await site.log())["tour.scheduled"] == 1


async def test_an_agent_that_asks_again_without_a_key_has_one_booking(site: Site) -> None:
    lead = await site.lead()
    tours = [await site.tour(lead), await site.tour(lead)]
    assert tours[0] == tours[1]


async def test_who_called_off_may_book_the_same_slot_again(site: Site) -> None:
    first = await book(site, at("10:00"), "ada@example.com")
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT id FROM leads")
    gone = await site.client.delete(
        f"/api/leads/{lead}/tours", params={"tourId": first.json()["booking"]["id"]},
        headers=site.console(),
    )  # fmt: skip
    assert gone.status_code == 200
    again = await book(site, at("10:00"), "ada@example.com")
    assert again.status_code == 201
    assert again.json()["booking"]["id"] != first.json()["booking"]["id"]


async def test_a_leased_lead_stays_leased_when_it_books(site: Site) -> None:
    lead = await site.lead(email="ada@example.com")
    world = site.world
    scope = Scope(world.org_id, site.property_id, datetime.now(UTC), Cause("test"))
    await handle(world.pool, scope, ChangeStatus(lead, LeadStatus.LEASED))
    assert (await book(site, at("10:00"), "ada@example.com")).status_code == 201
    await site.project()
    async with world.pool.acquire() as conn:
        (row,) = await conn.fetch("SELECT status, source FROM leads")
    assert (row["status"], row["source"]) == ("leased", "manual")


async def test_another_property_s_slots_and_sessions_are_not_here(site: Site) -> None:
    other = await make_world(site.world.pool)
    elsewhere = slot_of(other.properties[0], slot_at(site, "10:00").when)
    assert (await book(site, {"slotId": str(elsewhere.id)})).json()["code"] == "no_slot"
    mine = str(uuid4())
    await site.chat("hi", "v_2", sessionId=mine)
    answer = await book(site, {**at("10:00"), "sessionId": mine}, visitor="v_1")
    assert answer.status_code == 404
    assert "tour.scheduled" not in await site.log()
