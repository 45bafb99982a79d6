"""Visitors book tours through real HTTP: slots, holds, retries, races for the last place."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import httpx2
import pytest
from icalendar import Calendar

from events.leads import LeadStatus
from events.record import Cause
from events.widgets import WidgetConfigured
from services.deciders.leads import ChangeStatus
from services.deciders.localtime import When
from services.deciders.openings import WEEKDAYS
from services.deciders.slottimes import slot_of
from services.handle import handle, transact
from services.handling.unit import Scope, Unit
from services.handling.visits import Asked, Guest, keep_place
from tests.services.http.conftest import NEXT_MONTH, Site, employ
from tests.world import make_world

DAY = NEXT_MONTH.isoformat()
TOURS = "/api/lumaleasing/tours"


async def configure(site: Site, **settings: Any) -> None:
    said = {"property_id": site.property_id, **settings}
    await site.world.append(site.world.new(WidgetConfigured.model_validate(said)))


async def live_in(site: Site, zone: str) -> None:
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = $1", {"timezone": zone})


def every_day(start: str, end: str) -> dict[str, Any]:
    return {name: {"start": start, "end": end} for name in WEEKDAYS}


async def slots(site: Site, **query: str) -> dict[str, list[dict[str, Any]]]:
    answer = await site.client.get(TOURS, params=query, headers=site.widget())
    assert answer.status_code == 200, answer.text
    found: dict[str, list[dict[str, Any]]] = answer.json()["slots"]
    return found


async def on(site: Site, day: str = DAY) -> dict[str, dict[str, Any]]:
    """The slots of a day, by their beginning."""
    found = await slots(site, startDate=day, endDate=day)
    return {slot["startTime"]: slot for slot in found.get(day, [])}


async def book(
    site: Site, body: dict[str, Any], email: str | None = None, visitor: str = "v_1"
) -> httpx2.Response:
    info = {"firstName": "Ada", "email": email or f"{uuid4()}@example.com"}
    return await site.client.post(
        TOURS, json={"leadInfo": info, **body}, headers=site.widget(visitor)
    )


def at(clock: str, day: str = DAY) -> dict[str, Any]:
    return {"tourDate": day, "tourTime": clock}


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


async def test_a_tour_may_begin_half_an_hour_after_midnight(site: Site) -> None:
    await configure(site, tour_hours=every_day("23:00", "02:00"))
    assert (await book(site, at("00:30"))).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        (tour,) = await conn.fetch("SELECT tour_date, starts_at FROM tours")
    assert tour["tour_date"] == NEXT_MONTH
    assert tour["starts_at"] == slot_at(site, "00:30").starts_at
    assert tour["starts_at"].date() == NEXT_MONTH, "four or five hours before UTC"


def slot_at(site: Site, clock: str, day: date = NEXT_MONTH, zone: str = "America/New_York") -> Any:
    time = datetime.strptime(clock, "%H:%M").time()  # noqa: DTZ007 — a time on a wall
    return slot_of(site.property_id, When(day, time, zone))


def sunday(month: int, number: int) -> date:
    """The nth Sunday of a month, next year."""
    first = date(NEXT_MONTH.year + 1, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


async def test_in_spring_a_time_that_clocks_skip_is_refused(site: Site) -> None:
    await configure(site, tour_hours=every_day("00:00", "05:00"))
    day = sunday(3, 2).isoformat()
    assert not {"02:00", "02:30"} & set(await on(site, day))
    answer = await book(site, at("02:30", day))
    assert (answer.status_code, answer.json()["code"]) == (422, "no_such_time")
    assert (await book(site, at("03:00", day))).status_code == 201


async def test_in_autumn_both_of_two_equal_times_can_be_booked(site: Site) -> None:
    await configure(site, tour_hours=every_day("00:00", "05:00"))
    day = sunday(11, 1).isoformat()
    twice = [s for s in (await slots(site, startDate=day, endDate=day))[day]
             if s["startTime"] == "01:30"]  # fmt: skip
    assert len({slot["id"] for slot in twice}) == 2
    answers = [await book(site, {"slotId": slot["id"]}) for slot in twice]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert (await book(site, {**at("01:30", day), "fold": 1})).status_code == 409
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT tour_time, fold, starts_at FROM tours ORDER BY fold")
    assert [row["fold"] for row in rows] == [0, 1]
    assert rows[1]["starts_at"] - rows[0]["starts_at"] == timedelta(hours=1)


async def test_arizona_keeps_its_clocks(site: Site) -> None:
    await live_in(site, "America/Phoenix")
    await configure(site, tour_hours=every_day("00:00", "05:00"))
    day = sunday(3, 2).isoformat()
    assert (await book(site, at("02:30", day))).status_code == 201
    await site.project()
    async with site.world.pool.acquire() as conn:
        starts_at = await conn.fetchval("SELECT starts_at FROM tours")
    assert (starts_at.hour, starts_at.minute) == (9, 30)


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


async def keep(site: Site, slot: str, visitor: str = "v_1") -> httpx2.Response:
    return await site.client.post(
        f"{TOURS}/hold", json={"slotId": slot}, headers=site.widget(visitor)
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

    async def work(unit: Unit) -> None:
        await keep_place(unit, Asked(slot), Guest("v_2"))

    scope = Scope(world.org_id, site.property_id, before, Cause("test"))
    await transact(world.pool, scope, work)
    await site.project()
    assert (await on(site))["10:00"]["available"] is (status == 201)
    assert (await book(site, {"slotId": str(slot)})).status_code == status


async def test_of_twenty_that_race_to_keep_a_place_one_does(site: Site) -> None:
    slot = (await on(site))["10:00"]["id"]
    answers = await asyncio.gather(*(keep(site, slot, f"v_{n}") for n in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}


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


async def test_the_calendar_file_follows_the_tour(site: Site) -> None:
    booked = (await book(site, at("10:00"), "ada@example.com")).json()
    tour = booked["booking"]["id"]
    kind, _, text = booked["calendar"]["ics"].partition(",")
    assert kind.startswith("data:text/calendar")
    first = Calendar.from_ical(unquote(text))
    await site.project()
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT id FROM leads")
    ours, theirs = f"/api/leads/{lead}/tours", f"{TOURS}/{tour}/calendar.ics"

    async def read() -> Calendar:
        await site.project()
        seen = await site.client.get(theirs, headers=site.widget())
        at_home = await site.client.get(
            f"{ours}/{tour}/calendar.ics", headers=site.console(site.viewer)
        )
        assert seen.headers["content-type"].startswith("text/calendar")
        found, same = Calendar.from_ical(seen.text), Calendar.from_ical(at_home.text)
        assert isinstance(found, Calendar)
        assert isinstance(same, Calendar)
        for name in ("uid", "sequence", "dtstart"):
            assert found.events[0][name] == same.events[0][name]
        return found

    assert isinstance(first, Calendar)
    told = [first, await read()]
    body = {"tourId": tour, "tourTime": "11:00"}
    assert (await site.client.patch(ours, json=body, headers=site.console())).status_code == 200
    told.append(await read())
    await site.client.delete(ours, params={"tourId": tour}, headers=site.console())
    told.append(await read())
    assert [one.events[0]["sequence"] for one in told] == [0, 0, 1, 2]
    assert [str(one["method"]) for one in told] == ["REQUEST"] * 3 + ["CANCEL"]
    assert len({str(one.events[0]["uid"]) for one in told}) == 1
    nothing = await site.client.get(f"{TOURS}/{uuid4()}/calendar.ics", headers=site.widget())
    assert nothing.status_code == 404


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
