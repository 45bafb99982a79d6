"""Leads in the console over HTTP: list and creation."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import pytest

from events.leads import LeadCaptured
from projections.lead_orders import SortBy
from tests.services.api.lead_requests import change_lead, create_people, list_names, request_list
from tests.services.api.site import Site, create_profile
from tests.world import make_world


async def test_the_list_has_the_rows_of_the_table_with_their_scores(site: Site) -> None:
    await create_people(site)
    body = (await request_list(site, site.viewer)).json()
    assert body["pagination"] == {"page": 1, "limit": 25, "total": 4, "totalPages": 1}
    assert body["filters"] == {
        "sources": ["100% organic", "Google", "Referral"], "statuses": ["new"],
    }  # fmt: skip
    assert body["statusSummary"] == {"new": 4}
    async with site.world.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT * FROM leads ORDER BY created_at DESC LIMIT 1")
        scores = await conn.fetch("SELECT lead_id, total_score, score_bucket FROM lead_scores")
    assert row is not None
    assert set(body["leads"][0]) == {*row.keys(), "score", "score_bucket"}
    assert {lead["id"]: (lead["score"], lead["score_bucket"]) for lead in body["leads"]} == {
        str(score["lead_id"]): (score["total_score"], score["score_bucket"]) for score in scores
    }


async def test_the_list_is_sorted_by_the_requested_column(site: Site) -> None:
    _, _, mei, jose = await create_people(site)
    await change_lead(site, mei, status="contacted")
    await site.client.post(
        "/api/leadpulse/events", json={"leadId": str(jose), "eventType": "sms_replied"},
        headers=site.console_headers(),
    )  # fmt: skip
    await site.project()
    assert await list_names(site) == ["José", "Mei", "grace", "Ada"], "newest first by default"
    assert await list_names(site, sortOrder="asc") == ["Ada", "grace", "Mei", "José"]
    for sort, order in {
        "first_name": ["Ada", "grace", "José", "Mei"],
        "last_name": ["José", "grace", "Mei", "Ada"],
    }.items():
        assert await list_names(site, sortBy=sort, sortOrder="asc") == order
        assert await list_names(site, sortBy=sort) == order[::-1]
    assert (await list_names(site, sortBy="source", sortOrder="asc"))[::3] == ["José", "grace"]
    assert (await list_names(site, sortBy="status", sortOrder="asc"))[0] == "Mei"
    assert (await list_names(site, sortBy="score"))[:2] == ["José", "grace"]
    scores = [lead["score"] for lead in (await request_list(site, sortBy="score")).json()["leads"]]
    assert scores == sorted(scores, reverse=True)


async def test_a_lead_without_a_name_is_last_in_both_orders(site: Site) -> None:
    await create_people(site)
    await site.create_lead()
    await site.project()
    for order in ("asc", "desc"):
        body = (await request_list(site, sortBy="first_name", sortOrder=order)).json()
        assert body["leads"][-1]["first_name"] is None


async def test_filters_apply_to_the_list_and_not_to_the_status_summary(site: Site) -> None:
    ada, *_ = await create_people(site)
    await change_lead(site, ada, status="contacted")
    await site.project()
    body = (await request_list(site, status="contacted")).json()
    assert [lead["id"] for lead in body["leads"]] == [str(ada)]
    assert body["pagination"]["total"] == 1
    assert body["statusSummary"] == {"new": 3, "contacted": 1}
    assert await list_names(site, source="Google") == ["Mei", "Ada"]
    assert await list_names(site, source="Google", status="new") == ["Mei"]
    assert await list_names(site, source="google") == []
    assert len(await list_names(site, source="", status=" ", search="")) == 4


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("ADA", ["Ada"]), ("lovel", ["Ada"]), ("ada love", ["Ada"]), ("GRACE@", ["grace"]),
        ("garcía", ["José"]), ("555", ["José", "Mei", "grace", "Ada"]), ("(212) 555-0102", ["Mei"]),
        ("mei_", ["Mei"]), ("_", ["Mei"]), ("%", []), ("\\", []), ("'; --", []), ("💥", []),
    ],
)  # fmt: skip
async def test_search_finds_parts_of_names_e_mails_and_phone_numbers(
    site: Site, search: str, expected: list[str]
) -> None:
    await create_people(site)
    body = (await request_list(site, search=search)).json()
    assert [lead["first_name"] for lead in body["leads"]] == expected
    assert body["pagination"]["total"] == len(expected)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_contain_every_lead_once(site: Site, order: str) -> None:
    leads = [*await create_people(site), await site.create_lead(), await site.create_lead()]
    await site.project()
    for sort in get_args(SortBy):
        listed: list[str] = []
        for number in (1, 2, 3, 4):
            query = {"page": number, "limit": 2, "sortBy": sort, "sortOrder": order}
            body = (await request_list(site, **query)).json()
            listed += [lead["id"] for lead in body["leads"]]
            assert body["pagination"] == {
                "page": number, "limit": 2, "total": 6, "totalPages": 3,
            }  # fmt: skip
        assert sorted(listed) == sorted(map(str, leads)), sort
        whole = (await request_list(site, sortBy=sort, sortOrder=order)).json()["leads"]
        assert [lead["id"] for lead in whole] == listed, sort


@pytest.mark.parametrize("query", [{"search": "ada"}, {"search": "ada", "status": "new"}], ids=str)
async def test_a_search_is_sorted_like_the_list(site: Site, query: dict[str, Any]) -> None:
    """It is common, specific or rare in turn: other leads are added before the next look."""
    for name in ("Ada C", "ada a", "Ádá b", "Adam"):
        first, _, last = name.partition(" ")
        await site.create_lead(**{"firstName": first, **({"lastName": last} if last else {})})
    for others in (0, 12, 40):
        for number in range(others):
            await site.create_lead(firstName=f"Grace {number}")
        await site.project()
        for order, names in (("asc", ["a", "b", "C", None]), ("desc", ["C", "b", "a", None])):
            listed = []
            for page in (1, 2):
                body = (await request_list(
                    site, **query, sortBy="last_name", sortOrder=order, limit=2, page=page
                )).json()  # fmt: skip
                assert body["pagination"]["total"] == 4
                listed += [lead["last_name"] for lead in body["leads"]]
            assert listed == names, (others, order)
        for sort in ("created_at", "status", "source", "score", "first_name"):
            body = (await request_list(site, **query, sortBy=sort)).json()
            assert len(body["leads"]) == 4, (others, sort)


async def test_an_empty_property_has_an_empty_list(site: Site) -> None:
    assert (await request_list(site)).json() == {
        "leads": [], "pagination": {"page": 1, "limit": 25, "total": 0, "totalPages": 0},
        "filters": {"sources": [], "statuses": []}, "statusSummary": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        {"propertyId": "x"}, {"propertyId": ""}, {"page": 0}, {"page": -1}, {"page": "x"},
        {"page": 10**9}, {"page": 10**30}, {"limit": 0}, {"limit": 10**9}, {"limit": "1.5"},
        {"sortBy": "email"}, {"sortBy": "id; DROP TABLE leads"}, {"sortOrder": "up"},
        {"status": "sold"}, {"search": "a\x00b"}, {"source": "\x00"}, {"search": "x" * 400},
    ],
    ids=str,
)  # fmt: skip
async def test_an_invalid_query_is_400(site: Site, query: dict[str, Any]) -> None:
    response = await request_list(site, **query)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    without_property = await site.client.get("/api/leads", headers=site.console_headers())
    assert without_property.status_code == 400


async def test_the_last_allowed_page_is_empty(site: Site) -> None:
    await create_people(site)
    assert await list_names(site, page=1_000_000, limit=200) == []
    assert await list_names(site, page=1_000_000, limit=200, sortBy="score") == []


async def test_a_property_of_another_organisation_is_not_found_and_a_token_is_needed(
    site: Site,
) -> None:
    await create_people(site)
    other = await make_world(site.world.pool)
    other_admin = await create_profile(other, "admin")
    assert (await request_list(site, other_admin)).status_code == 404
    for property_id in (other.properties[0], uuid4()):
        assert (await request_list(site, propertyId=str(property_id))).status_code == 404
    params = {"propertyId": str(site.property_id)}
    assert (await site.client.get("/api/leads", params=params)).status_code == 401


async def test_a_score_in_the_list_is_as_of_now_before_the_timer_runs(site: Site) -> None:
    world = site.world
    long_ago = datetime.now(UTC) - timedelta(days=20)
    lead = LeadCaptured(lead_id=uuid4(), source="Google", email="old@example.com")
    await world.append(world.new(lead, at=long_ago))
    await site.project()
    (row,) = (await request_list(site)).json()["leads"]
    response = await site.client.get(
        "/api/leadpulse/score", params={"leadId": str(lead.lead_id)}, headers=site.console_headers()
    )
    score = response.json()["score"]
    assert response.json()["isNew"] is True
    assert (row["score"], row["score_bucket"]) == (score["totalScore"], score["scoreBucket"])


async def test_a_created_lead_is_returned_as_its_row(site: Site) -> None:
    body = {
        "propertyId": str(site.property_id), "firstName": "Ada", "lastName": "L", "bedrooms": 2,
        "email": "Ada@Example.com", "phone": "212-555-0100", "moveInDate": "2027-02-01",
        "notes": "a cat",
    }  # fmt: skip
    response = await site.client.post("/api/leads", json=body, headers=site.console_headers())
    lead = response.json()["lead"]
    assert (lead["email"], lead["phone"], lead["source"], lead["status"]) == (
        "Ada@Example.com", "+12125550100", "manual", "new",
    )  # fmt: skip
    await site.project()
    async with site.world.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT * FROM leads")
    assert row is not None
    assert set(row.keys()) == set(lead)
    assert (str(row["id"]), row["bedrooms"], row["notes"]) == (lead["id"], "2", "a cat")


async def test_the_e_mail_of_another_lead_is_409_with_that_lead(site: Site) -> None:
    lead = await site.create_lead(email="ada@example.com")
    body = {"propertyId": str(site.property_id), "email": "ADA@example.com"}
    response = await site.client.post("/api/leads", json=body, headers=site.console_headers())
    assert (response.status_code, response.json()["code"]) == (409, "known_lead")
    assert response.json()["lead"]["id"] == str(lead)
    assert response.headers["content-type"] == "application/problem+json"
    assert "e-mail" in response.json()["error"]


async def test_one_of_several_parallel_leads_with_an_e_mail_is_created(site: Site) -> None:
    body = {"propertyId": str(site.property_id), "email": "ada@example.com"}
    responses = await asyncio.gather(
        *(
            site.client.post("/api/leads", json=body, headers=site.console_headers())
            for _ in range(6)
        )
    )
    assert sorted(response.status_code for response in responses) == [201, *[409] * 5]


async def test_a_property_of_another_organisation_is_not_found(site: Site) -> None:
    other = await make_world(site.world.pool)
    for property_id in (other.properties[0], uuid4()):
        response = await site.client.post(
            "/api/leads", json={"propertyId": str(property_id), "email": "a@b.co"},
            headers=site.console_headers(),
        )  # fmt: skip
        assert response.status_code == 404


async def test_a_missing_field_or_invalid_address_is_400(site: Site) -> None:
    property_id = str(site.property_id)
    for body in (
        {},
        {"propertyId": property_id},
        {"propertyId": property_id, "email": "nobody"},
        {"propertyId": property_id, "phone": "call me maybe"},
        {"propertyId": "x", "email": "a@b.co"},
        {"propertyId": property_id, "firstName": "A" * 400},
        {"propertyId": property_id, "firstName": "A\x00"},
    ):
        response = await site.client.post("/api/leads", json=body, headers=site.console_headers())
        assert response.status_code == 400, body
