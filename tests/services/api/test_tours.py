"""A lead's tours through real HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.services.api.conftest import NEXT_MONTH, Site, employ
from tests.world import make_world


async def test_a_booked_tour_answers_its_row_and_its_lead(site: Site) -> None:
    lead = await site.lead(firstName="Ada")
    answer = await site.client.post(
        f"/api/leads/{lead}/tours",
        json={"tourDate": NEXT_MONTH.isoformat(), "tourTime": "14:00", "notes": "hi"},
        headers=site.console(),
    )
    assert answer.status_code == 201
    tour, person = answer.json()["tour"], answer.json()["lead"]
    assert (tour["tour_time"], tour["status"], tour["tour_type"]) == (
        "14:00:00", "scheduled", "in_person",
    )  # fmt: skip
    assert person["first_name"] == "Ada"
    await site.project()
    seen = await site.client.get(f"/api/leads/{lead}/tours", headers=site.console(site.viewer))
    listed = seen.json()["tours"][0]
    assert listed.pop("assigned_agent") is None
    assert listed == tour
    assert seen.json()["lead"] == person
    async with site.world.pool.acquire() as conn:
        assert await conn.fetchval("SELECT status FROM leads") == "tour_booked"


async def test_a_tour_is_moved_amended_confirmed_and_held(site: Site) -> None:
    lead = await site.lead()
    tour = await site.tour(lead)
    agent = await employ(site.world, "viewer")

    async def patch(**changes: object) -> dict[str, object]:
        answer = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": tour["id"], **changes},
            headers=site.console(),
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()["tour"]
        return found

    moved = await patch(tourTime="09:30", assignedAgentId=str(agent), notes="ring twice")
    assert (moved["tour_time"], moved["revision"], moved["notes"]) == ("09:30:00", 2, "ring twice")
    assert (await patch(status="confirmed"))["status"] == "confirmed"
    assert (await patch(status="no_show"))["status"] == "no_show"
    assert (await patch(status="completed"))["status"] == "completed"
    await site.project()
    async with site.world.pool.acquire() as conn:
        kinds = await conn.fetch("SELECT event_type FROM lead_engagement_events ORDER BY 1")
        assert await conn.fetchval("SELECT status FROM leads") == "toured"
    assert [row["event_type"] for row in kinds] == ["tour_completed", "tour_scheduled"]


async def test_a_move_the_state_does_not_allow_is_409(site: Site) -> None:
    lead = await site.lead()
    tour = await site.tour(lead)
    url = f"/api/leads/{lead}/tours"
    gone = await site.client.delete(url, params={"tourId": tour["id"]}, headers=site.console())
    assert gone.json() == {"success": True}
    for status in ("completed", "scheduled", "confirmed", "no_show"):
        answer = await site.client.patch(
            url, json={"tourId": tour["id"], "status": status}, headers=site.console()
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "tour_state"), status


async def test_two_writes_racing_on_one_tour_one_wins_and_the_other_gets_409(site: Site) -> None:
    lead = await site.lead()
    tour = await site.tour(lead)
    answers = await asyncio.gather(
        *(
            site.client.patch(
                f"/api/leads/{lead}/tours", json={"tourId": tour["id"], "status": status},
                headers=site.console(),
            )
            for status in ("completed", "no_show")
        )
    )  # fmt: skip
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses in ([200, 409], [200, 200])
    log = await site.log()
    if statuses == [200, 200]:  # no-show first: completing corrects it
        assert log.index("tour.no_show_recorded") < log.index("tour.completed")
    await site.project()


async def test_what_cannot_be_booked_is_refused(site: Site) -> None:
    lead = await site.lead()
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    date = NEXT_MONTH.isoformat()
    gap = next(
        f"{year}-03-{day:02d}"
        for year in range(NEXT_MONTH.year + 1, NEXT_MONTH.year + 2)
        for day in range(8, 15)
        if datetime(year, 3, day).weekday() == 6  # noqa: DTZ001 — a day of a calendar
    )
    cases = (
        ({"tourDate": yesterday, "tourTime": "14:00"}, 400, "tour_in_past"),
        ({"tourDate": gap, "tourTime": "02:30"}, 422, "no_such_time"),
        ({"tourDate": "9999-12-31", "tourTime": "14:00"}, 400, "invalid_date"),
        ({"tourDate": "0001-01-01", "tourTime": "14:00"}, 400, "invalid_date"),
        ({"tourDate": date, "tourTime": "14:00Z"}, 400, "invalid"),
        ({"tourDate": date, "tourTime": "25:00"}, 400, "invalid"),
        ({"tourDate": date, "tourTime": "14:00", "tourType": "x"}, 400, "invalid"),
        ({"tourDate": date, "tourTime": "14:00", "assignedAgentId": str(uuid4())}, 400,
         "unknown_profile"),
        ({"tourTime": "14:00"}, 400, "invalid"),
    )  # fmt: skip
    for body, status, code in cases:
        answer = await site.client.post(
            f"/api/leads/{lead}/tours", json=body, headers=site.console()
        )
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert "tour.scheduled" not in await site.log()


async def test_a_property_without_a_zone_books_nothing(site: Site) -> None:
    lead = await site.lead()
    for settings in ({}, {"timezone": "Mars/Olympus"}, {"timezone": 5}):
        async with site.world.pool.acquire() as conn:
            await conn.execute("UPDATE properties SET settings = $1", settings)
        answer = await site.client.post(
            f"/api/leads/{lead}/tours",
            json={"tourDate": NEXT_MONTH.isoformat(), "tourTime": "14:00"},
            headers=site.console(),
        )
        assert answer.status_code in (409, 422), settings


async def test_leads_of_others_are_not_found_and_viewers_do_not_write(site: Site) -> None:
    lead = await site.lead()
    other = await make_world(site.world.pool)
    stranger = await employ(other, "admin")
    body = {"tourDate": NEXT_MONTH.isoformat(), "tourTime": "14:00"}
    url = f"/api/leads/{lead}/tours"
    await site.project()
    for method in ("GET", "POST"):
        answer = await site.client.request(method, url, json=body, headers=site.console(stranger))
        nothing = await site.client.request(
            method, f"/api/leads/{uuid4()}/tours", json=body, headers=site.console(stranger)
        )
        assert answer.status_code == nothing.status_code == 404
        assert answer.json() == nothing.json()
    answer = await site.client.post(url, json=body, headers=site.console(site.viewer))
    assert answer.status_code == 403
    nobody = await site.client.get(url, headers=site.console(uuid4()))
    assert nobody.status_code == 401


async def test_a_key_books_once(site: Site) -> None:
    lead = await site.lead()
    body = {"tourDate": NEXT_MONTH.isoformat(), "tourTime": "14:00"}
    headers = site.console(more={"Idempotency-Key": "book"})
    answers = await asyncio.gather(
        *(site.client.post(f"/api/leads/{lead}/tours", json=body, headers=headers)
          for _ in range(5))
    )  # fmt: skip
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert (await site.log()).count("tour.scheduled") == 1
    other = await site.client.post(
        f"/api/leads/{lead}/tours", json={**body, "tourTime": "15:00"}, headers=headers
    )
    assert other.status_code == 422
    past = {"tourDate": "2020-01-01", "tourTime": "14:00"}
    refused = site.console(more={"Idempotency-Key": "past"})
    first = await site.client.post(f"/api/leads/{lead}/tours", json=past, headers=refused)
    again = await site.client.post(f"/api/leads/{lead}/tours", json=past, headers=refused)
    assert first.status_code == again.status_code == 400
    assert first.json() == again.json()
