"""Merging leads through real HTTP: one person by either id, and two again."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from projections import leads, scores
from projections.scoring import v1
from projections.scoring.inputs import micros
from tests.services.api.conftest import NEXT_MONTH, Site, employ
from tests.world import make_world


async def merge(site: Site, loser: UUID, winner: UUID, **more: str) -> httpx2.Response:
    body = {"intoLeadId": str(winner), **more}
    return await site.client.post(f"/api/leads/{loser}/merge", json=body, headers=site.console())


async def unmerge(site: Site, loser: UUID, **more: str) -> httpx2.Response:
    return await site.client.post(f"/api/leads/{loser}/unmerge", json=more, headers=site.console())


async def get(site: Site, path: str, **query: str) -> Any:
    answer = await site.client.get(path, params=query, headers=site.console())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def engage(site: Site, lead: UUID, kind: str) -> dict[str, Any]:
    answer = await site.client.post(
        "/api/leadpulse/events", json={"leadId": str(lead), "eventType": kind},
        headers=site.console(),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["event"]
    return found


async def pair(site: Site) -> tuple[UUID, UUID]:
    loser = await site.lead(email="ada@example.com", firstName="Ada", phone="+12125550100")
    winner = await site.lead(email="eve@example.com", lastName="Hopper")
    return loser, winner


async def test_a_merge_answers_both_rows_and_fills_what_the_winner_lacks(site: Site) -> None:
    loser, winner = await pair(site)
    answer = await merge(site, loser, winner, reason="same_person")
    assert answer.status_code == 200, answer.text
    lead, merged = answer.json()["lead"], answer.json()["merged"]
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


async def test_both_ids_show_one_person(site: Site, engine: AsyncEngine) -> None:
    loser, winner = await pair(site)
    tour = (await site.tour(loser))["id"]
    await engage(site, loser, "email_opened")
    await merge(site, loser, winner)
    assert (await engage(site, loser, "email_clicked"))["leadId"] == str(winner)
    await engage(site, winner, "price_check")
    await site.project()
    seen: dict[UUID, Any] = {}
    for lead in (loser, winner):
        path, query = f"/api/leads/{lead}", {"leadId": str(lead)}
        seen[lead] = [
            (await get(site, "/api/leadpulse/events", **query))["events"],
            await get(site, f"{path}/tours"),
            (await get(site, f"{path}/activities"))["activities"],
            await get(site, f"{path}/timeline"),
            {**(await get(site, "/api/leadpulse/score", **query))["score"], "scoredAt": None},
        ]
    assert seen[loser] == seen[winner]
    events, tours, activities, timeline, score = seen[winner]
    assert {one["eventType"] for one in events} >= {
        "email_opened", "email_clicked", "price_check", "tour_scheduled",
    }  # fmt: skip
    assert ([one["id"] for one in tours["tours"]], tours["lead"]["id"]) == ([tour], str(winner))
    assert [one["type"] for one in activities].count("lead_created") == 2
    assert {item["kind"] for item in timeline["items"]} == {
        "activity", "engagement", "score", "tour",
    }  # fmt: skip
    assert (score["leadId"], score["behaviorScore"]) == (str(winner), 8)
    assert score["engagementScore"] == 40, "8 + 15 + 12 + 25 at most"
    async with site.world.pool.acquire() as conn:
        ids = {await conn.fetchval("SELECT score_lead($1)", lead) for lead in (loser, winner)}
        newest = await conn.fetchrow(
            "SELECT * FROM lead_scores WHERE lead_id = $1 ORDER BY revision DESC LIMIT 1", winner
        )
    assert newest is not None
    assert await whole_scores(site, engine) == {winner: score["totalScore"]}
    assert {str(one) for one in ids} == {str(newest["id"])} == {score["id"]}
    assert (newest["total_score"], newest["factors"]) == (score["totalScore"], score["factors"])


async def whole_scores(site: Site, engine: AsyncEngine) -> dict[UUID, int]:
    """What lists make of the facts that are kept, for every lead that stands for itself."""
    async with engine.begin() as conn:
        tops = (await conn.execute(select(leads.TABLE.c.id).where(leads.unmerged_only()))).scalars()
        query = scores.inputs_below(site.property_id, list(tops))
        whole = scores.whole_inputs((await conn.execute(query)).all())
    now = micros(datetime.now(UTC))
    return {lead: v1.score(recorded_events, now).total for lead, recorded_events in whole.items()}


async def test_writes_by_the_old_id_are_the_winner_s_and_its_tours_go_on(site: Site) -> None:
    loser, winner = await pair(site)
    tour = (await site.tour(loser))["id"]
    await merge(site, loser, winner)
    booked = await site.client.post(
        f"/api/leads/{loser}/tours", headers=site.console(),
        json={"tourDate": NEXT_MONTH.isoformat(), "tourTime": "16:00"},
    )  # fmt: skip
    assert booked.json()["tour"]["lead_id"] == booked.json()["lead"]["id"] == str(winner)
    for lead, status in ((winner, "confirmed"), (loser, "completed")):
        changed = await site.client.patch(
            f"/api/leads/{lead}/tours", json={"tourId": tour, "status": status},
            headers=site.console(),
        )  # fmt: skip
        assert changed.status_code == 200, changed.text
        assert (changed.json()["tour"]["status"], changed.json()["tour"]["lead_id"]) == (
            status, str(loser),
        )  # fmt: skip
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch("SELECT id, status FROM leads")
    assert {row["id"]: row["status"] for row in rows} == {loser: "tour_booked", winner: "toured"}


async def test_a_visitor_with_the_loser_s_address_is_the_winner(site: Site) -> None:
    loser, winner = await pair(site)
    await merge(site, loser, winner)
    left = await site.client.post(
        "/api/lumaleasing/lead", json={"email": "ADA@example.com"}, headers=site.widget()
    )
    assert left.json()["leadId"] == str(winner)
    body = {"propertyId": str(site.property_id), "email": "ada@example.com"}
    known = await site.client.post("/api/leads", json=body, headers=site.console())
    assert (known.status_code, known.json()["lead"]["id"]) == (409, str(winner))


async def test_unmerging_makes_two_again(site: Site) -> None:
    loser, winner = await pair(site)
    await engage(site, loser, "email_opened")
    await merge(site, loser, winner)
    await engage(site, loser, "email_clicked")
    answer = await unmerge(site, loser, reason="father and son")
    assert answer.status_code == 200, answer.text
    lead, alone = answer.json()["lead"], answer.json()["unmerged"]
    assert (lead["id"], lead["first_name"], lead["phone"]) == (str(winner), None, None)
    assert (alone["id"], alone["merged_into"], alone["first_name"]) == (str(loser), None, "Ada")
    await site.project()
    kinds = {}
    for one in (loser, winner):
        events = (await get(site, "/api/leadpulse/events", leadId=str(one)))["events"]
        kinds[one] = {event["eventType"] for event in events}
        score = (await get(site, "/api/leadpulse/score", leadId=str(one)))["score"]
        assert score["leadId"] == str(one)
    assert kinds == {loser: {"email_opened"}, winner: {"email_clicked"}}
    left = await site.client.post(
        "/api/lumaleasing/lead", json={"email": "ada@example.com"}, headers=site.widget()
    )
    assert left.json()["leadId"] == str(loser)
    host_property = {"propertyId": str(site.property_id)}
    counted = await site.client.post(
        "/api/leadpulse/score", json=host_property, headers=site.console()
    )
    assert counted.json()["processed"] == 2


async def test_a_property_counts_a_person_once(site: Site) -> None:
    loser, winner = await pair(site)
    await merge(site, loser, winner)
    await site.project()
    host_property = {"propertyId": str(site.property_id)}
    counted = await site.client.post(
        "/api/leadpulse/score", json=host_property, headers=site.console()
    )
    assert counted.json()["processed"] == 1


async def test_each_refusal_has_its_code(site: Site) -> None:
    loser, winner = await pair(site)
    third = await site.lead()
    for into, status, code in (
        (loser, 409, "same_lead"), (uuid4(), 404, "unknown_subject"),
    ):  # fmt: skip
        answer = await merge(site, loser, into)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    early = await unmerge(site, loser)
    assert (early.status_code, early.json()["code"]) == (409, "not_merged")
    assert (await merge(site, loser, winner)).status_code == 200
    before = await site.log()
    assert (await merge(site, loser, winner)).status_code == 200
    assert await site.log() == before, "said twice it is one merge"
    again = await merge(site, loser, third)
    assert (again.status_code, again.json()["code"]) == (409, "already_merged")
    assert again.json()["leadId"] == str(winner)
    back = await merge(site, winner, loser)
    assert (back.status_code, back.json()["code"]) == (409, "same_lead")
    into_loser = await merge(site, third, loser)
    assert (into_loser.status_code, into_loser.json()["lead"]["id"]) == (200, str(winner))


async def test_another_property_and_another_organisation_are_not_there(site: Site) -> None:
    world, lead = site.world, await site.lead()
    sister, other = uuid4(), await make_world(site.world.pool)
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO properties (id, org_id, name) VALUES ($1, $2, 'Sister')", sister,
            world.org_id,
        )  # fmt: skip
    near, far = uuid4(), uuid4()
    await world.append(world.new(world.captured(near), property_id=sister))
    await other.append(other.new(other.captured(far)))
    for foreign in (near, far):
        answer = await merge(site, lead, foreign)
        assert (answer.status_code, answer.json()["code"]) == (404, "wrong_property")
    for ask in (merge(site, far, lead), unmerge(site, far), merge(site, uuid4(), lead)):
        answer = await ask
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("role", ["viewer", "manager", "admin"])
async def test_managers_and_admins_merge_and_viewers_do_not(site: Site, role: str) -> None:
    loser, winner = await pair(site)
    person = await employ(site.world, role)
    for path, body in (("merge", {"intoLeadId": str(winner)}), ("unmerge", {})):
        answer = await site.client.post(
            f"/api/leads/{loser}/{path}", json=body, headers=site.console(person)
        )
        assert answer.status_code == (403 if role == "viewer" else 200)


async def test_a_merge_sent_again_by_its_key_is_answered_as_before(site: Site) -> None:
    loser, winner = await pair(site)
    body, headers = {"intoLeadId": str(winner)}, site.console(more={"Idempotency-Key": "once"})
    first = await site.client.post(f"/api/leads/{loser}/merge", json=body, headers=headers)
    await unmerge(site, loser)
    again = await site.client.post(f"/api/leads/{loser}/merge", json=body, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert (await site.log()).count("lead.merged") == 1
