"""Slots that visitors see and book, over HTTP."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from events.leads import LeadStatus
from events.record import Cause
from services.application.scope import Scope
from services.deciders.leads import ChangeStatus
from tests.commands import handle_command
from tests.services.api.site import NEXT_MONTH, TIME_ZONE, WIDGET_TOURS, Site
from tests.services.api.tour_requests import (
    DAY,
    at,
    book,
    configure_widget,
    daily_hours,
    hold,
    list_slots,
    make_slot,
    slots_of_day,
)
from tests.world import make_world


async def test_the_slots_of_a_property_are_listed_by_day(site: Site) -> None:
    await configure_widget(site, tour_hours=daily_hours("10:00", "11:00"), tour_duration_minutes=20)
    response = await site.client.get(
        WIDGET_TOURS, params={"startDate": DAY, "endDate": DAY}, headers=site.widget_headers()
    )
    body = response.json()
    assert body["tourDuration"] == 20
    assert [
        (slot["startTime"], slot["endTime"], slot["available"]) for slot in body["slots"][DAY]
    ] == [
        ("10:00", "10:20", True),
        ("10:20", "10:40", True),
        ("10:40", "11:00", True),
    ]
    assert {slot["date"] for slot in body["slots"][DAY]} == {DAY}
    default_days = sorted(await list_slots(site))
    today = datetime.now(ZoneInfo(TIME_ZONE)).date()
    expected = [(today + timedelta(days=offset)).isoformat() for offset in range(1, 15)]
    assert [day for day in default_days if day != today.isoformat()] == expected


async def test_an_invalid_range_of_dates_is_refused(site: Site) -> None:
    for query, code in (
        ({"startDate": DAY, "endDate": "2020-01-01"}, "invalid_range"),
        ({"startDate": DAY, "endDate": "2099-01-01"}, "invalid_range"),
        ({"startDate": "9999-12-31"}, "invalid_range"),
        ({"startDate": "0001-01-01"}, "invalid_range"),
        ({"startDate": "tomorrow"}, "invalid"),
    ):
        response = await site.client.get(WIDGET_TOURS, params=query, headers=site.widget_headers())
        assert (response.status_code, response.json()["code"]) == (400, code), query


async def test_a_property_with_tours_off_shows_and_books_no_slots(site: Site) -> None:
    slot = (await slots_of_day(site))["10:00"]
    await configure_widget(site, tours_enabled=False)
    listed = await site.client.get(WIDGET_TOURS, headers=site.widget_headers())
    hold_response = await hold(site, slot["id"])
    for response in (listed, hold_response, await book(site, at("10:00"))):
        assert (response.status_code, response.json()["code"]) == (404, "tours_off")


async def test_a_booked_slot_is_no_longer_available(site: Site) -> None:
    session = str(uuid4())
    slot = (await slots_of_day(site))["10:00"]
    response = await book(
        site,
        {"slotId": slot["id"], "sessionId": session, "specialRequests": "A ramp, please."},
        "Ada@Example.com",
    )
    assert response.status_code == 201, response.text
    body = response.json()
    assert {**body["booking"], "id": None} == {
        "id": None, "date": DAY, "time": "10:00", "status": "scheduled",
    }  # fmt: skip
    assert f"{NEXT_MONTH:%A, %B} {NEXT_MONTH.day}" in body["message"]
    assert "10:00 AM" in body["message"]
    await site.project()
    assert (await slots_of_day(site))["10:00"]["available"] is False
    assert (await slots_of_day(site))["10:30"]["available"] is True
    async with site.world.pool.acquire() as conn:
        (lead,) = await conn.fetch("SELECT * FROM leads")
        (tour,) = await conn.fetch("SELECT * FROM tours")
        session_lead = await conn.fetchval(
            "SELECT lead_id FROM widget_sessions WHERE id = $1", session
        )
    assert (lead["source"], lead["email"], lead["status"]) == (
        "LumaLeasing Tour Booking", "Ada@Example.com", "tour_booked",
    )  # fmt: skip
    assert (tour["id"], tour["lead_id"], tour["notes"], tour["created_by"]) == (
        UUID(body["booking"]["id"]), lead["id"], "A ramp, please.", None,
    )  # fmt: skip
    assert session_lead == lead["id"]


async def test_an_invalid_booking_is_refused(site: Site) -> None:
    slot = (await slots_of_day(site))["10:00"]["id"]
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
        response = await book(site, body)
        assert (response.status_code, response.json()["code"]) == (status, code), body
    assert await site.read_event_types() == []


@pytest.mark.parametrize("email", ["ada@example.com", "test@example.com"])
async def test_a_repeated_booking_of_a_visitor_without_a_key_is_one_tour(
    site: Site, email: str
) -> None:
    """Placeholder addresses such as test@example.com do not identify a lead; the visitor does."""
    body = at("10:00")
    responses = await asyncio.gather(*(book(site, body, email) for _ in range(5)))
    responses.append(await book(site, body, email.upper()))
    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["booking"]["id"] for response in responses}) == 1
    assert Counter(await site.read_event_types())["tour.scheduled"] == 1


async def test_a_repeated_booking_of_an_agent_without_a_key_is_one_tour(site: Site) -> None:
    lead = await site.create_lead()
    tours = [await site.book_tour(lead), await site.book_tour(lead)]
    assert tours[0] == tours[1]


async def test_a_slot_can_be_booked_again_after_a_cancellation(site: Site) -> None:
    first = await book(site, at("10:00"), "ada@example.com")
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT id FROM leads")
    cancelled = await site.client.delete(
        f"/api/leads/{lead}/tours", params={"tourId": first.json()["booking"]["id"]},
        headers=site.console_headers(),
    )  # fmt: skip
    assert cancelled.status_code == 200
    again = await book(site, at("10:00"), "ada@example.com")
    assert again.status_code == 201
    assert again.json()["booking"]["id"] != first.json()["booking"]["id"]


async def test_a_leased_lead_stays_leased_after_a_booking(site: Site) -> None:
    lead = await site.create_lead(email="ada@example.com")
    world = site.world
    scope = Scope(world.org_id, site.property_id, datetime.now(UTC), Cause("test"))
    await handle_command(world.pool, scope, ChangeStatus(lead, LeadStatus.LEASED))
    assert (await book(site, at("10:00"), "ada@example.com")).status_code == 201
    await site.project()
    async with world.pool.acquire() as conn:
        (row,) = await conn.fetch("SELECT status, source FROM leads")
    assert (row["status"], row["source"]) == ("leased", "manual")


async def test_slots_of_other_properties_and_sessions_of_other_visitors_are_not_found(
    site: Site,
) -> None:
    other = await make_world(site.world.pool)
    other_slot = make_slot(other.properties[0], "10:00")
    assert (await book(site, {"slotId": str(other_slot.id)})).json()["code"] == "no_slot"
    session = str(uuid4())
    await site.send_chat("hi", "v_2", sessionId=session)
    response = await book(site, {**at("10:00"), "sessionId": session}, visitor="v_1")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "tour.scheduled" not in await site.read_event_types()
