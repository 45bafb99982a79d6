"""Merging and unmerging leads over HTTP."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from projections import leads, score_inputs
from projections.scoring import v1
from projections.scoring.inputs import micros
from tests.services.api.site import WIDGET_LEAD, Site, create_profile, create_second_property
from tests.services.api.tour_requests import at
from tests.world import make_world


async def merge(site: Site, loser: UUID, winner: UUID, **more: str) -> httpx2.Response:
    body = {"intoLeadId": str(winner), **more}
    return await site.client.post(
        f"/api/leads/{loser}/merge", json=body, headers=site.console_headers()
    )


async def unmerge(site: Site, loser: UUID, **more: str) -> httpx2.Response:
    return await site.client.post(
        f"/api/leads/{loser}/unmerge", json=more, headers=site.console_headers()
    )


async def get(site: Site, path: str, **query: str) -> Any:
    response = await site.client.get(path, params=query, headers=site.console_headers())
    assert response.status_code == 200, response.text
    return response.json()


async def record_engagement(site: Site, lead: UUID, kind: str) -> dict[str, Any]:
    response = await site.client.post(
        "/api/leadpulse/events", json={"leadId": str(lead), "eventType": kind},
        headers=site.console_headers(),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    engagement: dict[str, Any] = response.json()["event"]
    return engagement


async def create_pair(site: Site) -> tuple[UUID, UUID]:
    loser = await site.create_lead(email="ada@example.com", firstName="Ada", phone="+12125550100")
    winner = await site.create_lead(email="eve@example.com", lastName="Hopper")
    return loser, winner


async def test_a_merge_returns_both_rows_and_fills_the_winner_s_empty_fields(site: Site) -> None:
    loser, winner = await create_pair(site)
    response = await merge(site, loser, winner, reason="same_person")
    assert response.status_code == 200, response.text
    lead, merged = response.json()["lead"], response.json()["merged"]
    assert (lead["id"], merged["id"], merged["merged_into"]) == (
        str(winner), str(loser), str(winner),
    )  # fmt: skip
    assert (lead["first_name"], lead["last_name"], lead["phone"], lead["email"]) == (
        "Ada", "Hopper", "+12125550100", "eve@example.com",
    )  # fmt: skip
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = {row["id"]: dict(row) for row in await conn.fetch("SELECT * FROM leads")}
    assert (str(rows[loser]["merged_into"]), rows[winner]["merged_into"]) == (str(winner), None)
    assert rows[winner]["first_name"] == "Ada"


async def test_both_ids_of_a_merged_lead_show_one_lead(site: Site, engine: AsyncEngine) -> None:
    loser, winner = await create_pair(site)
    tour = (await site.book_tour(loser))["id"]
    await record_engagement(site, loser, "email_opened")
    await merge(site, loser, winner)
    assert (await record_engagement(site, loser, "email_clicked"))["leadId"] == str(winner)
    await record_engagement(site, winner, "price_check")
    await site.project()
    views: dict[UUID, Any] = {}
    for lead in (loser, winner):
        path, query = f"/api/leads/{lead}", {"leadId": str(lead)}
        views[lead] = [
            (await get(site, "/api/leadpulse/events", **query))["events"],
            await get(site, f"{path}/tours"),
            (await get(site, f"{path}/activities"))["activities"],
            await get(site, f"{path}/timeline"),
            {**(await get(site, "/api/leadpulse/score", **query))["score"], "scoredAt": None},
        ]
    assert views[loser] == views[winner]
    events, tours, activities, timeline, score = views[winner]
    assert sorted(engagement["eventType"] for engagement in events) == [
        "email_clicked", "email_opened", "price_check", "tour_scheduled",
    ]  # fmt: skip
    assert ([row["id"] for row in tours["tours"]], tours["lead"]["id"]) == ([tour], str(winner))
    assert [activity["type"] for activity in activities].count("lead_created") == 2
    assert {item["kind"] for item in timeline["items"]} == {
        "activity", "engagement", "score", "tour",
    }  # fmt: skip
    assert (score["leadId"], score["behaviorScore"]) == (str(winner), 8)
    assert score["engagementScore"] == 40, "8 + 15 + 12 + 25, limited to 40"
    async with site.world.pool.acquire() as conn:
        ids = {await conn.fetchval("SELECT score_lead($1)", lead) for lead in (loser, winner)}
        newest = await conn.fetchrow(
            "SELECT * FROM lead_scores WHERE lead_id = $1 ORDER BY revision DESC LIMIT 1", winner
        )
    assert newest is not None
    assert await compute_list_scores(site, engine) == {winner: score["totalScore"]}
    assert {str(score_id) for score_id in ids} == {str(newest["id"])} == {score["id"]}
    assert (newest["total_score"], newest["factors"]) == (score["totalScore"], score["factors"])


async def compute_list_scores(site: Site, engine: AsyncEngine) -> dict[UUID, int]:
    """Return the scores that lists compute from the stored inputs, by unmerged lead."""
    async with engine.begin() as conn:
        unmerged = (
            await conn.execute(select(leads.TABLE.c.id).where(leads.listed_only()))
        ).scalars()
        query = score_inputs.of_surviving_leads(site.property_id, list(unmerged))
        inputs_by_lead = score_inputs.combine_inputs((await conn.execute(query)).all())
    now = micros(datetime.now(UTC))
    return {lead: v1.score(inputs, now).total for lead, inputs in inputs_by_lead.items()}


async def test_writes_to_the_loser_s_id_change_the_winner(site: Site) -> None:
    loser, winner = await create_pair(site)
    tour = await site.create_begun_tour(loser)
    await merge(site, loser, winner)
    booked = await site.client.post(
        f"/api/leads/{loser}/tours", headers=site.console_headers(),
        json=at("16:00"),
    )  # fmt: skip
    assert booked.json()["tour"]["lead_id"] == booked.json()["lead"]["id"] == str(winner)
    for lead, status in ((winner, "confirmed"), (loser, "completed")):
        changed = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": str(tour), "status": status},
            headers=site.console_headers(),
        )  # fmt: skip
        assert changed.status_code == 200, changed.text
        assert (changed.json()["tour"]["status"], changed.json()["tour"]["lead_id"]) == (
            status, str(loser),
        )  # fmt: skip
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT id, status FROM leads")
    assert {row["id"]: row["status"] for row in rows} == {loser: "new", winner: "toured"}


async def test_a_visitor_with_the_loser_s_e_mail_is_the_winner(site: Site) -> None:
    loser, winner = await create_pair(site)
    await merge(site, loser, winner)
    captured = await site.client.post(
        WIDGET_LEAD, json={"email": "ADA@example.com", "bedroomPreference": 4},
        headers=site.widget_headers(),
    )  # fmt: skip
    assert captured.status_code == 200
    await site.project()
    async with site.world.pool.acquire() as conn:
        assert await conn.fetchval("SELECT id FROM leads WHERE bedrooms = '4'") == winner
    body = {"propertyId": str(site.property_id), "email": "ada@example.com"}
    conflict = await site.client.post("/api/leads", json=body, headers=site.console_headers())
    assert (conflict.status_code, conflict.json()["lead"]["id"]) == (409, str(winner))


async def test_an_unmerge_separates_the_leads_again(site: Site) -> None:
    loser, winner = await create_pair(site)
    await record_engagement(site, loser, "email_opened")
    await merge(site, loser, winner)
    await record_engagement(site, loser, "email_clicked")
    response = await unmerge(site, loser, reason="father and son")
    assert response.status_code == 200, response.text
    lead, separated = response.json()["lead"], response.json()["unmerged"]
    assert (lead["id"], lead["first_name"], lead["phone"]) == (str(winner), None, None)
    assert (separated["id"], separated["merged_into"], separated["first_name"]) == (
        str(loser),
        None,
        "Ada",
    )
    await site.project()
    kinds = {}
    for lead_id in (loser, winner):
        events = (await get(site, "/api/leadpulse/events", leadId=str(lead_id)))["events"]
        kinds[lead_id] = {event["eventType"] for event in events}
        score = (await get(site, "/api/leadpulse/score", leadId=str(lead_id)))["score"]
        assert score["leadId"] == str(lead_id)
    assert kinds == {loser: {"email_opened"}, winner: {"email_clicked"}}
    captured = await site.client.post(
        WIDGET_LEAD, json={"email": "ada@example.com"}, headers=site.widget_headers()
    )
    assert captured.status_code == 200
    assert await site.find_lead("ada@example.com") == loser
    whole_property = {"propertyId": str(site.property_id)}
    counts = await site.client.post(
        "/api/leadpulse/score", json=whole_property, headers=site.console_headers()
    )
    assert counts.json()["processed"] == 2


async def test_a_merged_lead_counts_once_in_its_property(site: Site) -> None:
    loser, winner = await create_pair(site)
    await merge(site, loser, winner)
    await site.project()
    whole_property = {"propertyId": str(site.property_id)}
    counts = await site.client.post(
        "/api/leadpulse/score", json=whole_property, headers=site.console_headers()
    )
    assert counts.json()["processed"] == 1


async def test_every_refusal_of_a_merge_has_its_code(site: Site) -> None:
    loser, winner = await create_pair(site)
    third = await site.create_lead()
    for into, status, code in (
        (loser, 409, "same_lead"), (uuid4(), 404, "unknown_subject"),
    ):  # fmt: skip
        response = await merge(site, loser, into)
        assert (response.status_code, response.json()["code"]) == (status, code)
    too_early = await unmerge(site, loser)
    assert (too_early.status_code, too_early.json()["code"]) == (409, "not_merged")
    assert (await merge(site, loser, winner)).status_code == 200
    before = await site.read_event_types()
    assert (await merge(site, loser, winner)).status_code == 200
    assert await site.read_event_types() == before, "a repeated merge is one merge"
    again = await merge(site, loser, third)
    assert (again.status_code, again.json()["code"]) == (409, "already_merged")
    assert again.json()["leadId"] == str(winner)
    reversed_merge = await merge(site, winner, loser)
    assert (reversed_merge.status_code, reversed_merge.json()["code"]) == (409, "same_lead")
    into_loser = await merge(site, third, loser)
    assert (into_loser.status_code, into_loser.json()["lead"]["id"]) == (200, str(winner))


async def test_leads_of_other_properties_and_organisations_cannot_be_merged(site: Site) -> None:
    world, lead = site.world, await site.create_lead()
    second_property = await create_second_property(world)
    other = await make_world(world.pool)
    same_organisation_lead, other_organisation_lead = uuid4(), uuid4()
    await world.append(
        world.new(world.captured(same_organisation_lead), property_id=second_property)
    )
    await other.append(other.new(other.captured(other_organisation_lead)))
    for foreign in (same_organisation_lead, other_organisation_lead):
        response = await merge(site, lead, foreign)
        assert (response.status_code, response.json()["code"]) == (404, "unknown_subject")
    for request in (
        merge(site, other_organisation_lead, lead),
        unmerge(site, other_organisation_lead),
        merge(site, uuid4(), lead),
    ):
        response = await request
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("role", ["viewer", "manager", "admin"])
async def test_managers_and_admins_can_merge_and_viewers_cannot(site: Site, role: str) -> None:
    loser, winner = await create_pair(site)
    profile_id = await create_profile(site.world, role)
    for path, body in (("merge", {"intoLeadId": str(winner)}), ("unmerge", {})):
        response = await site.client.post(
            f"/api/leads/{loser}/{path}", json=body, headers=site.console_headers(profile_id)
        )
        assert response.status_code == (403 if role == "viewer" else 200)


async def test_a_merge_with_a_repeated_key_has_the_first_response(site: Site) -> None:
    loser, winner = await create_pair(site)
    body, headers = (
        {"intoLeadId": str(winner)},
        site.console_headers(more={"Idempotency-Key": "once"}),
    )
    first = await site.client.post(f"/api/leads/{loser}/merge", json=body, headers=headers)
    await unmerge(site, loser)
    again = await site.client.post(f"/api/leads/{loser}/merge", json=body, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert (await site.read_event_types()).count("lead.merged") == 1
