"""A lead's tours in the console, over HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.services.api.site import NEXT_MONTH, Site, create_profile
from tests.services.api.tour_requests import at, nth_sunday
from tests.world import make_world


async def test_a_booked_tour_is_returned_with_its_lead(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada")
    response = await site.client.post(
        f"/api/leads/{lead}/tours",
        json={**at("14:00"), "notes": "hi"},
        headers=site.console_headers(),
    )
    assert response.status_code == 201
    tour, lead_row = response.json()["tour"], response.json()["lead"]
    assert (tour["tour_time"], tour["status"], tour["tour_type"]) == (
        "14:00:00", "scheduled", "in_person",
    )  # fmt: skip
    assert lead_row["first_name"] == "Ada"
    await site.project()
    listing = await site.client.get(
        f"/api/leads/{lead}/tours", headers=site.console_headers(site.viewer)
    )
    listed_tour = listing.json()["tours"][0]
    assert listed_tour.pop("assigned_agent") is None
    assert listed_tour == tour
    assert listing.json()["lead"] == lead_row
    async with site.world.pool.acquire() as conn:
        assert await conn.fetchval("SELECT status FROM leads") == "tour_booked"


async def test_a_tour_can_be_moved_amended_and_confirmed(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.book_tour(lead)
    agent = await create_profile(site.world, "viewer")

    async def patch(**changes: object) -> dict[str, object]:
        response = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": tour["id"], **changes},
            headers=site.console_headers(),
        )  # fmt: skip
        assert response.status_code == 200, response.text
        changed: dict[str, object] = response.json()["tour"]
        return changed

    moved = await patch(tourTime="09:30", assignedAgentId=str(agent), notes="ring twice")
    assert (moved["tour_time"], moved["revision"], moved["notes"]) == ("09:30:00", 2, "ring twice")
    assert (await patch(status="confirmed"))["status"] == "confirmed"


async def test_a_no_show_can_be_corrected_to_a_completed_tour(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.create_begun_tour(lead)
    for status in ("no_show", "completed"):
        response = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": str(tour), "status": status},
            headers=site.console_headers(),
        )  # fmt: skip
        assert response.json()["tour"]["status"] == status, response.text
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT event_type FROM lead_engagement_events ORDER BY 1")
        assert await conn.fetchval("SELECT status FROM leads") == "toured"
    assert [row["event_type"] for row in rows] == ["tour_completed", "tour_scheduled"]


async def test_a_cancelled_tour_has_no_further_status(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.book_tour(lead)
    url = f"/api/leads/{lead}/tours"
    cancelled = await site.client.delete(
        url, params={"tourId": tour["id"]}, headers=site.console_headers()
    )
    assert cancelled.json() == {"success": True}
    for status in ("completed", "scheduled", "confirmed", "no_show"):
        response = await site.client.patch(
            url, json={"tourId": tour["id"], "status": status}, headers=site.console_headers()
        )
        assert (response.status_code, response.json()["code"]) == (409, "tour_state"), status


async def test_a_tour_in_the_future_is_neither_completed_nor_a_no_show(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.book_tour(lead)
    for status in ("completed", "no_show"):
        response = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": tour["id"], "status": status},
            headers=site.console_headers(),
        )  # fmt: skip
        problem = response.json()
        assert (response.status_code, problem["code"]) == (409, "tour_in_future")
        assert tour["starts_at"][:10] in problem["error"]
        assert "cancel it or move it" in problem["error"]
    assert "tour.completed" not in await site.read_event_types()


async def test_a_no_show_does_not_replace_a_completed_tour_in_parallel_writes(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.create_begun_tour(lead)
    responses = await asyncio.gather(
        *(
            site.client.patch(
                f"/api/leads/{lead}/tours", json={"tourId": str(tour), "status": status},
                headers=site.console_headers(),
            )
            for status in ("completed", "no_show")
        )
    )  # fmt: skip
    statuses = sorted(response.status_code for response in responses)
    log = await site.read_event_types()
    outcomes = [name for name in log if name in ("tour.no_show_recorded", "tour.completed")]
    if statuses == [200, 200]:  # the no-show was first: completing the tour corrects it
        assert outcomes == ["tour.no_show_recorded", "tour.completed"]
    else:
        assert (statuses, outcomes) == ([200, 409], ["tour.completed"])
    await site.project()


async def test_an_invalid_tour_is_refused(site: Site) -> None:
    lead = await site.create_lead()
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    date = NEXT_MONTH.isoformat()
    start_of_summer_time = nth_sunday(3, 2).isoformat()
    cases = (
        ({"tourDate": yesterday, "tourTime": "14:00"}, 400, "tour_in_past"),
        ({"tourDate": start_of_summer_time, "tourTime": "02:30"}, 422, "no_such_time"),
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
        response = await site.client.post(
            f"/api/leads/{lead}/tours", json=body, headers=site.console_headers()
        )
        assert (response.status_code, response.json()["code"]) == (status, code), body
    assert "tour.scheduled" not in await site.read_event_types()


async def test_a_property_without_a_valid_time_zone_books_no_tour(site: Site) -> None:
    lead = await site.create_lead()
    cases: list[tuple[dict[str, object], int, str]] = [
        ({}, 409, "no_time_zone"),
        ({"timezone": "Mars/Olympus"}, 422, "unknown_zone"),
        ({"timezone": 5}, 409, "no_time_zone"),
    ]
    for settings, status, code in cases:
        async with site.world.pool.acquire() as conn:
            await conn.execute("UPDATE properties SET settings = $1", settings)
        response = await site.client.post(
            f"/api/leads/{lead}/tours",
            json=at("14:00"),
            headers=site.console_headers(),
        )
        assert (response.status_code, response.json()["code"]) == (status, code), settings


async def test_leads_of_other_organisations_are_not_found_and_viewers_cannot_book(
    site: Site,
) -> None:
    lead = await site.create_lead()
    other = await make_world(site.world.pool)
    other_admin = await create_profile(other, "admin")
    body = at("14:00")
    url = f"/api/leads/{lead}/tours"
    await site.project()
    for method in ("GET", "POST"):
        response = await site.client.request(
            method, url, json=body, headers=site.console_headers(other_admin)
        )
        unknown = await site.client.request(
            method,
            f"/api/leads/{uuid4()}/tours",
            json=body,
            headers=site.console_headers(other_admin),
        )
        assert response.status_code == unknown.status_code == 404
        assert response.json() == unknown.json()
    response = await site.client.post(url, json=body, headers=site.console_headers(site.viewer))
    assert response.status_code == 403
    without_profile = await site.client.get(url, headers=site.console_headers(uuid4()))
    assert without_profile.status_code == 401


async def test_requests_with_one_key_book_one_tour(site: Site) -> None:
    lead = await site.create_lead()
    body = at("14:00")
    headers = site.console_headers(more={"Idempotency-Key": "book"})
    responses = await asyncio.gather(
        *(site.client.post(f"/api/leads/{lead}/tours", json=body, headers=headers)
          for _ in range(5))
    )  # fmt: skip
    assert {response.status_code for response in responses} == {201}
    assert len({response.text for response in responses}) == 1
    assert (await site.read_event_types()).count("tour.scheduled") == 1
    other = await site.client.post(
        f"/api/leads/{lead}/tours", json={**body, "tourTime": "15:00"}, headers=headers
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    past = {"tourDate": "2020-01-01", "tourTime": "14:00"}
    refused_headers = site.console_headers(more={"Idempotency-Key": "past"})
    first = await site.client.post(f"/api/leads/{lead}/tours", json=past, headers=refused_headers)
    again = await site.client.post(f"/api/leads/{lead}/tours", json=past, headers=refused_headers)
    assert first.status_code == again.status_code == 400
    assert first.json()["code"] == "tour_in_past"
    assert first.json() == again.json()
