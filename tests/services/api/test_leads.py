"""Leads in the console through real HTTP: entering, activities, timeline, tokens."""

import asyncio
import time
from uuid import uuid4

import pytest

from events.log.token import Token
from tests.services.api.conftest import Site, employ, token_of
from tests.services.api.visitor import at
from tests.world import make_world


async def test_an_entered_lead_is_answered_as_its_row(site: Site) -> None:
    body = {
        "propertyId": str(site.property_id), "firstName": "Ada", "lastName": "L", "bedrooms": 2,
        "email": "Ada@Example.com", "phone": "212-555-0100", "moveInDate": "2027-02-01",
        "notes": "a cat",
    }  # fmt: skip
    answer = await site.client.post("/api/leads", json=body, headers=site.console())
    lead = answer.json()["lead"]
    assert (lead["email"], lead["phone"], lead["source"], lead["status"]) == (
        "ada@example.com", "+12125550100", "manual", "new",
    )  # fmt: skip
    await site.project()
    async with site.world.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT * FROM leads")
    assert row is not None
    assert set(row.keys()) == set(lead)
    assert (str(row["id"]), row["bedrooms"], row["notes"]) == (lead["id"], "2", "a cat")


async def test_a_known_e_mail_answers_409_with_its_lead(site: Site) -> None:
    lead = await site.lead(email="ada@example.com")
    body = {"propertyId": str(site.property_id), "email": "ADA@example.com"}
    answer = await site.client.post("/api/leads", json=body, headers=site.console())
    assert (answer.status_code, answer.json()["code"]) == (409, "known_lead")
    assert answer.json()["lead"]["id"] == str(lead)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error"]


async def test_one_of_many_that_enter_the_same_e_mail_at_once_wins(site: Site) -> None:
    body = {"propertyId": str(site.property_id), "email": "ada@example.com"}
    answers = await asyncio.gather(
        *(site.client.post("/api/leads", json=body, headers=site.console()) for _ in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]


async def test_a_property_of_another_organisation_is_not_found(site: Site) -> None:
    other = await make_world(site.world.pool)
    for property_id in (other.properties[0], uuid4()):
        answer = await site.client.post(
            "/api/leads", json={"propertyId": str(property_id), "email": "a@b.co"},
            headers=site.console(),
        )  # fmt: skip
        assert answer.status_code == 404


async def test_what_is_missing_or_no_address_is_400(site: Site) -> None:
    host_property = str(site.property_id)
    for body in (
        {}, {"propertyId": host_property}, {"propertyId": host_property, "email": "nobody"},
        {"propertyId": host_property, "phone": "call me maybe"}, {"propertyId": "x", "email": "a@b.co"},
        {"propertyId": host_property, "firstName": "A" * 400}, {"propertyId": host_property, "firstName": "A\x00"},
    ):  # fmt: skip
        answer = await site.client.post("/api/leads", json=body, headers=site.console())
        assert answer.status_code == 400, body


async def test_the_timeline_has_everything_newest_first_page_by_page(site: Site) -> None:
    said = await site.chat("hello", leadInfo={"firstName": "Ada", "email": "ada@example.com"})
    await site.chat("more", sessionId=said["sessionId"])
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT owner FROM crm.claims WHERE kind = 'lead.email'")
    await site.tour(lead)
    await site.project()
    url = f"/api/leads/{lead}/timeline"
    whole = (await site.client.get(url, params={"limit": 200}, headers=site.console())).json()
    assert {item["kind"] for item in whole["items"]} == {
        "activity", "engagement", "score", "message", "tour",
    }  # fmt: skip
    assert whole["nextCursor"] is None
    pages, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await site.client.get(url, params=query, headers=site.console())).json()
        pages += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert pages == whole["items"]
    assert [item["at"] for item in pages] == sorted((i["at"] for i in pages), reverse=True)
    activities = await site.client.get(f"/api/leads/{lead}/activities", headers=site.console())
    assert {"lead_created", "chat_started", "message_received", "tour_scheduled"} <= {
        one["type"] for one in activities.json()["activities"]
    }
    for bad in ("x", "e30", "WzEsMiwzXQ"):
        answer = await site.client.get(url, params={"cursor": bad}, headers=site.console())
        assert answer.status_code == 400


async def test_a_read_waits_for_the_write_of_its_token(site: Site) -> None:
    body = {"propertyId": str(site.property_id), "email": "a@b.co"}
    written = await site.client.post("/api/leads", json=body, headers=site.console())
    lead, token = written.json()["lead"]["id"], written.headers["X-CRM-Token"]
    url = f"/api/leads/{lead}/activities"
    began = time.monotonic()
    early = await site.client.get(url, headers=site.console(more={"X-CRM-Token": token}))
    assert 0.3 <= time.monotonic() - began < 4, "as long as token_wait_seconds says"
    assert (early.status_code, early.json()["code"]) == (503, "not_there_yet")
    assert early.headers["Retry-After"]

    waiting = asyncio.create_task(
        site.client.get(url, params={"after_token": token}, headers=site.console())
    )
    await site.project()
    assert (await waiting).status_code in (200, 503)
    assert (
        await site.client.get(url, params={"after_token": token}, headers=site.console())
    ).status_code == 200


async def test_a_token_that_is_none_is_400(site: Site) -> None:
    lead = await site.lead()
    await site.project()
    url = f"/api/leads/{lead}/activities"
    older = str(Token(99, 0, uuid4()))
    for token in ("x", "é", "=" * 20, older, "A" * 150):
        answer = await site.client.get(url, params={"after_token": token}, headers=site.console())
        assert answer.status_code == 400, token


@pytest.mark.parametrize(
    "claims", [{"aud": "anon"}, {"exp": 1}, {"sub": "nobody"}, {"sub": ""}], ids=str
)
async def test_a_token_that_does_not_hold_is_401(site: Site, claims: dict[str, object]) -> None:
    token = token_of(site.manager, claims=claims)
    answer = await site.client.get(
        f"/api/leads/{uuid4()}/activities", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_of_another_secret_is_401(site: Site) -> None:
    forged = token_of(site.manager, secret="another secret that is long enough too")
    for text in (forged, "x", "a.b.c", ""):
        answer = await site.client.get(
            f"/api/leads/{uuid4()}/activities", headers={"Authorization": f"Bearer {text}"}
        )
        assert answer.status_code == 401


async def test_an_agent_of_another_house_is_no_agent(site: Site) -> None:
    lead = await site.lead()
    stranger = await employ(await make_world(site.world.pool), "manager")
    answer = await site.client.post(
        f"/api/leads/{lead}/tours",
        json={**at("10:00"), "assignedAgentId": str(stranger)},
        headers=site.console(),
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_profile")
