"""The list of leads and the change of one, through real HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from events.leads import LeadCaptured
from tests.services.api.conftest import Site, employ
from tests.world import make_world

PEOPLE = (
    ("Ada", "Lovelace", "ada@example.com", "2125550100", "Google"),
    ("grace", "Hopper", "grace@example.com", "2125550101", "Referral"),
    ("Mei", "Lin", "mei_lin@example.com", "2125550102", "Google"),
    ("José", "García", "jose@example.com", "2125550103", "100% organic"),
)


async def everybody(site: Site) -> list[UUID]:
    found = [
        await site.lead(firstName=first, lastName=last, email=email, phone=phone, source=source)
        for first, last, email, phone, source in PEOPLE
    ]
    await site.project()
    return found


async def listed(site: Site, who: UUID | None = None, **query: Any) -> httpx2.Response:
    said = {"propertyId": str(site.property_id), **query}
    return await site.client.get("/api/leads", params=said, headers=site.console(who))


async def names(site: Site, **query: Any) -> list[str]:
    answer = await listed(site, **query)
    assert answer.status_code == 200, answer.text
    return [lead["first_name"] for lead in answer.json()["leads"]]


async def change(site: Site, lead: UUID, who: UUID | None = None, **said: Any) -> httpx2.Response:
    body = {"leadId": str(lead), **said}
    return await site.client.patch("/api/leads", json=body, headers=site.console(who))


async def test_the_list_has_rows_as_in_the_table_with_their_scores(site: Site) -> None:
    await everybody(site)
    body = (await listed(site, site.viewer)).json()
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
    assert {one["id"]: (one["score"], one["score_bucket"]) for one in body["leads"]} == {
        str(one["lead_id"]): (one["total_score"], one["score_bucket"]) for one in scores
    }


async def test_the_list_is_sorted_as_asked(site: Site) -> None:
    _, _, mei, jose = await everybody(site)
    await change(site, mei, status="contacted")
    await site.client.post(
        "/api/leadpulse/events", json={"leadId": str(jose), "eventType": "sms_replied"},
        headers=site.console(),
    )  # fmt: skip
    await site.project()
    assert await names(site) == ["José", "Mei", "grace", "Ada"], "the newest first"
    assert await names(site, sortOrder="asc") == ["Ada", "grace", "Mei", "José"]
    for sort, order in {
        "first_name": ["Ada", "grace", "José", "Mei"],
        "last_name": ["José", "grace", "Mei", "Ada"],
    }.items():
        assert await names(site, sortBy=sort, sortOrder="asc") == order
        assert await names(site, sortBy=sort) == order[::-1]
    assert (await names(site, sortBy="source", sortOrder="asc"))[::3] == ["José", "grace"]
    assert (await names(site, sortBy="status", sortOrder="asc"))[0] == "Mei"
    assert (await names(site, sortBy="score"))[:2] == ["José", "grace"]
    scored = [one["score"] for one in (await listed(site, sortBy="score")).json()["leads"]]
    assert scored == sorted(scored, reverse=True)


async def test_a_lead_without_a_name_comes_last_either_way(site: Site) -> None:
    await everybody(site)
    await site.lead()
    await site.project()
    for order in ("asc", "desc"):
        answer = (await listed(site, sortBy="first_name", sortOrder=order)).json()
        assert answer["leads"][-1]["first_name"] is None


async def test_the_list_is_narrowed_and_the_summary_is_not(site: Site) -> None:
    ada, *_ = await everybody(site)
    await change(site, ada, status="contacted")
    await site.project()
    body = (await listed(site, status="contacted")).json()
    assert [lead["id"] for lead in body["leads"]] == [str(ada)]
    assert body["pagination"]["total"] == 1
    assert body["statusSummary"] == {"new": 3, "contacted": 1}
    assert await names(site, source="Google") == ["Mei", "Ada"]
    assert await names(site, source="Google", status="new") == ["Mei"]
    assert await names(site, source="google") == []
    assert len(await names(site, source="", status=" ", search="")) == 4


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ADA", ["Ada"]), ("lovel", ["Ada"]), ("ada love", ["Ada"]), ("GRACE@", ["grace"]),
        ("garcía", ["José"]), ("555", ["José", "Mei", "grace", "Ada"]), ("(212) 555-0102", ["Mei"]),
        ("mei_", ["Mei"]), ("_", ["Mei"]), ("%", []), ("\\", []), ("'; --", []), ("💥", []),
    ],
)  # fmt: skip
async def test_search_finds_parts_of_names_addresses_and_numbers(
    site: Site, search: str, found: list[str]
) -> None:
    await everybody(site)
    answer = (await listed(site, search=search)).json()
    assert [lead["first_name"] for lead in answer["leads"]] == found
    assert answer["pagination"]["total"] == len(found)


async def test_pages_do_not_overlap_and_end(site: Site) -> None:
    everyone = await everybody(site)
    for sort in ("created_at", "status", "score", "source"):
        seen: list[str] = []
        for number in (1, 2, 3):
            body = (await listed(site, page=number, limit=2, sortBy=sort)).json()
            seen += [lead["id"] for lead in body["leads"]]
            assert body["pagination"] == {
                "page": number, "limit": 2, "total": 4, "totalPages": 2,
            }  # fmt: skip
        assert sorted(seen) == sorted(map(str, everyone)), sort


async def test_an_empty_property_has_an_empty_list(site: Site) -> None:
    assert (await listed(site)).json() == {
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
async def test_what_cannot_be_asked_is_400(site: Site, query: dict[str, Any]) -> None:
    answer = await listed(site, **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    missing = await site.client.get("/api/leads", headers=site.console())
    assert missing.status_code == 400


async def test_the_largest_page_that_may_be_asked_for_is_empty(site: Site) -> None:
    await everybody(site)
    assert await names(site, page=1_000_000, limit=200) == []
    assert await names(site, page=1_000_000, limit=200, sortBy="score") == []


async def test_a_property_of_others_is_not_found_and_nobody_reads_without_a_token(
    site: Site,
) -> None:
    await everybody(site)
    other = await make_world(site.world.pool)
    stranger = await employ(other, "admin")
    assert (await listed(site, stranger)).status_code == 404
    for host_property in (other.properties[0], uuid4()):
        assert (await listed(site, propertyId=str(host_property))).status_code == 404
    said = {"propertyId": str(site.property_id)}
    assert (await site.client.get("/api/leads", params=said)).status_code == 401


async def test_a_score_in_the_list_is_as_of_now_whatever_the_timer_does(site: Site) -> None:
    world = site.world
    long_ago = datetime.now(UTC) - timedelta(days=20)
    lead = LeadCaptured(lead_id=uuid4(), source="Google", email="old@example.com")
    await world.append(world.new(lead, at=long_ago))
    await site.project()
    (row,) = (await listed(site)).json()["leads"]
    answer = await site.client.get(
        "/api/leadpulse/score", params={"leadId": str(lead.lead_id)}, headers=site.console()
    )
    score = answer.json()["score"]
    assert answer.json()["isNew"] is True
    assert (row["score"], row["score_bucket"]) == (score["totalScore"], score["scoreBucket"])


async def test_a_change_is_answered_as_the_row_will_be(site: Site) -> None:
    lead = await site.lead(firstName="Ada", notes="a cat", bedrooms="1")
    answer = await change(
        site, lead, status="contacted", notes="two cats", moveInDate="2027-06-01", bedrooms=2,
        firstName="Adah", last_name="L", email="ADA@Example.com", phone="212-555-0100",
        source="Referral",
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    found = answer.json()["lead"]
    wanted = {
        "status": "contacted", "notes": "two cats", "move_in_date": "2027-06-01", "bedrooms": "2",
        "first_name": "Adah", "last_name": "L", "email": "ada@example.com",
        "phone": "+12125550100", "source": "Referral",
    }  # fmt: skip
    assert {**found, **wanted} == found
    await site.project()
    (row,) = (await listed(site)).json()["leads"]
    assert {**row, **found} == row


async def test_what_is_not_mentioned_stays_and_null_or_a_blank_empties(site: Site) -> None:
    lead = await site.lead(
        firstName="Ada", lastName="L", notes="a cat", bedrooms="1", moveInDate="2027-01-01",
        phone="2125550100",
    )  # fmt: skip
    answer = await change(site, lead, notes=None, bedrooms="", moveInDate=None, phone=" ")
    found = answer.json()["lead"]
    assert [found[name] for name in ("notes", "bedrooms", "move_in_date", "phone")] == [None] * 4
    assert (found["first_name"], found["last_name"], found["status"]) == ("Ada", "L", "new")


async def test_an_e_mail_that_was_emptied_or_changed_is_free_for_another(site: Site) -> None:
    lead = await site.lead(email="ada@example.com")
    assert (await change(site, lead, email=None)).status_code == 200
    other = await site.lead(email="ada@example.com")
    assert (await change(site, other, email="new@example.com")).status_code == 200
    assert (await change(site, lead, email="ada@example.com")).status_code == 200


async def test_an_e_mail_of_another_lead_is_409_with_its_id(site: Site) -> None:
    lead, other = await site.lead(email="ada@example.com"), await site.lead()
    answer = await change(site, other, email="ADA@example.com", notes="x")
    assert (answer.status_code, answer.json()["code"]) == (409, "known_lead")
    assert answer.json()["leadId"] == str(lead)
    assert (await change(site, lead, email="ada@example.com")).status_code == 200, "its own"


async def test_a_lead_that_has_leased_stays_leased(site: Site) -> None:
    lead = await site.lead()
    assert (await change(site, lead, status="leased")).status_code == 200
    for status in ("new", "contacted", "lost", "qualified"):
        answer = await change(site, lead, status=status, notes="x")
        assert (answer.status_code, answer.json()["code"]) == (409, "leased")
    assert (await change(site, lead, status="leased", notes="kept")).status_code == 200
    await site.tour(lead)
    await site.project()
    (row,) = (await listed(site)).json()["leads"]
    assert (row["status"], row["notes"]) == ("leased", "kept")


async def test_a_change_that_changes_nothing_is_no_event(site: Site) -> None:
    lead = await site.lead(firstName="Ada")
    before = await site.log()
    assert (await change(site, lead, firstName="Ada", status="new")).status_code == 200
    assert (await change(site, lead)).status_code == 200
    assert await site.log() == before


async def test_a_change_of_status_is_an_activity_by_its_author(site: Site) -> None:
    lead = await site.lead()
    await change(site, lead, status="qualified")
    await site.project()
    path = f"/api/leads/{lead}/activities"
    newest = (await site.client.get(path, headers=site.console())).json()["activities"][0]
    assert (newest["type"], newest["created_by"]) == ("status_change", str(site.manager))
    assert newest["metadata"]["status"] == "qualified"


@pytest.mark.parametrize(
    "said",
    [
        {"leadId": "x"}, {"leadId": None}, {"status": "sold"}, {"notes": "a\x00"},
        {"email": "nobody"}, {"phone": "call me maybe"}, {"moveInDate": "soon"},
        {"firstName": "A" * 400}, {"bedrooms": [1]}, {"source": {}},
    ],
    ids=str,
)  # fmt: skip
async def test_a_change_that_is_none_is_400(site: Site, said: dict[str, Any]) -> None:
    body = {"leadId": str(await site.lead()), **said}
    answer = await site.client.patch("/api/leads", json=body, headers=site.console())
    assert answer.status_code == 400


async def test_only_those_who_may_write_change_and_only_their_leads(site: Site) -> None:
    lead = await site.lead()
    assert (await change(site, lead, site.viewer, notes="x")).status_code == 403
    stranger = await employ(await make_world(site.world.pool), "admin")
    assert (await change(site, lead, stranger, notes="x")).status_code == 404
    assert (await change(site, uuid4(), notes="x")).status_code == 404
    body = {"leadId": str(lead)}
    assert (await site.client.patch("/api/leads", json=body)).status_code == 401
