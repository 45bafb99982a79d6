"""Changes of leads in the console, over HTTP."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.services.api.lead_requests import change_lead, request_list
from tests.services.api.site import Site, create_profile
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    TEMPLATES,
    create_definition,
    create_template,
    list_rows,
)
from tests.world import make_world


async def test_a_change_returns_the_row_that_is_stored(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada", notes="a cat", bedrooms="1")
    response = await change_lead(
        site, lead, status="contacted", notes="two cats", moveInDate="2027-06-01", bedrooms=2,
        firstName="Adah", last_name="L", email="ADA@Example.com", phone="212-555-0100",
        source="Referral",
    )  # fmt: skip
    assert response.status_code == 200, response.text
    changed = response.json()["lead"]
    expected = {
        "status": "contacted", "notes": "two cats", "move_in_date": "2027-06-01", "bedrooms": "2",
        "first_name": "Adah", "last_name": "L", "email": "ADA@Example.com",
        "phone": "+12125550100", "source": "Referral",
    }  # fmt: skip
    assert {**changed, **expected} == changed
    await site.project()
    (row,) = (await request_list(site)).json()["leads"]
    assert {**row, **changed} == row


async def test_the_time_zone_of_a_lead_is_set_and_an_unknown_one_is_422(site: Site) -> None:
    lead = await site.create_lead()
    response = await change_lead(site, lead, timeZone="America/Phoenix")
    assert response.status_code == 200, response.text
    assert (await site.read_event_types())[-1] == "lead.zone_set"
    response = await change_lead(site, lead, timeZone="Mars/Olympus")
    assert (response.status_code, response.json()["code"]) == (422, "unknown_zone")
    await site.project()
    (row,) = (await request_list(site)).json()["leads"]
    assert row["lead_zone"] == "America/Phoenix"
    response = await change_lead(site, lead, lead_zone=None)
    assert response.json()["lead"]["lead_zone"] is None
    await site.project()


async def test_a_change_without_a_known_field_is_400_and_names_the_fields(site: Site) -> None:
    lead = str(await site.create_lead())
    tour = (await site.book_tour(UUID(lead)))["id"]
    await create_template(site)
    definition = f"{DEFINITIONS}/{(await create_definition(site))['id']}"
    (template,) = await list_rows(site, TEMPLATES)
    before = await site.read_event_types()
    for path, address, name in (
        ("/api/leads", {"leadId": lead}, "firstName"),
        (f"/api/leads/{lead}/tours", {"tourId": tour, "sendNotification": True}, "tourDate"),
        (definition, {"version": 1, "changeReason": "x"}, "exitConditions"),
        (f"{TEMPLATES}/{template['id']}", {"version": 1}, "isActive"),
        (f"/api/leads/{lead}/workflow", {}, "action"),
    ):
        for more in ({}, {"frist_name": "Ada"}):
            response = await site.client.patch(
                path, json={**address, **more}, headers=site.console_headers()
            )
            problem = response.json()
            assert (response.status_code, problem["code"]) == (400, "invalid"), path
            assert name in response.text, response.text
    assert await site.read_event_types() == before


async def test_a_missing_field_is_unchanged_and_null_or_blank_clears_it(site: Site) -> None:
    lead = await site.create_lead(
        firstName="Ada", lastName="L", notes="a cat", bedrooms="1", moveInDate="2027-01-01",
        phone="2125550100",
    )  # fmt: skip
    response = await change_lead(site, lead, notes=None, bedrooms="", moveInDate=None, phone=" ")
    changed = response.json()["lead"]
    assert [changed[name] for name in ("notes", "bedrooms", "move_in_date", "phone")] == [None] * 4
    assert (changed["first_name"], changed["last_name"], changed["status"]) == ("Ada", "L", "new")


async def test_an_e_mail_that_a_lead_no_longer_has_can_be_used_again(site: Site) -> None:
    lead = await site.create_lead(email="ada@example.com")
    assert (await change_lead(site, lead, email=None)).status_code == 200
    other = await site.create_lead(email="ada@example.com")
    assert (await change_lead(site, other, email="new@example.com")).status_code == 200
    assert (await change_lead(site, lead, email="ada@example.com")).status_code == 200


async def test_an_e_mail_of_another_lead_is_409_with_its_id(site: Site) -> None:
    lead, other = await site.create_lead(email="ada@example.com"), await site.create_lead()
    response = await change_lead(site, other, email="ADA@example.com", notes="x")
    assert (response.status_code, response.json()["code"]) == (409, "known_lead")
    assert response.json()["leadId"] == str(lead)
    assert (await change_lead(site, lead, email="ada@example.com")).status_code == 200, (
        "the lead's own"
    )


async def test_a_leased_lead_stays_leased(site: Site) -> None:
    lead = await site.create_lead()
    assert (await change_lead(site, lead, status="leased")).status_code == 200
    for status in ("new", "contacted", "lost", "qualified"):
        response = await change_lead(site, lead, status=status, notes="x")
        assert (response.status_code, response.json()["code"]) == (409, "leased")
    assert (await change_lead(site, lead, status="leased", notes="kept")).status_code == 200
    await site.book_tour(lead)
    await site.project()
    (row,) = (await request_list(site)).json()["leads"]
    assert (row["status"], row["notes"]) == ("leased", "kept")


async def test_a_change_to_the_same_values_appends_no_event(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada")
    before = await site.read_event_types()
    assert (await change_lead(site, lead, firstName="Ada", status="new")).status_code == 200
    assert await site.read_event_types() == before


async def test_a_status_change_is_an_activity_of_its_author(site: Site) -> None:
    lead = await site.create_lead()
    await change_lead(site, lead, status="qualified")
    await site.project()
    path = f"/api/leads/{lead}/activities"
    newest = (await site.client.get(path, headers=site.console_headers())).json()["activities"][0]
    assert (newest["type"], newest["created_by"]) == ("status_change", str(site.manager))
    assert newest["metadata"]["status"] == "qualified"


@pytest.mark.parametrize(
    "fields",
    [
        {"leadId": "x"}, {"leadId": None}, {"status": "sold"}, {"notes": "a\x00"},
        {"email": "nobody"}, {"phone": "call me maybe"}, {"moveInDate": "soon"},
        {"firstName": "A" * 400}, {"bedrooms": [1]}, {"source": {}},
    ],
    ids=str,
)  # fmt: skip
async def test_an_invalid_change_is_400(site: Site, fields: dict[str, Any]) -> None:
    body = {"leadId": str(await site.create_lead()), **fields}
    response = await site.client.patch("/api/leads", json=body, headers=site.console_headers())
    assert response.status_code == 400


async def test_only_writers_of_the_lead_s_organisation_can_change_it(site: Site) -> None:
    lead = await site.create_lead()
    assert (await change_lead(site, lead, site.viewer, notes="x")).status_code == 403
    other_admin = await create_profile(await make_world(site.world.pool), "admin")
    assert (await change_lead(site, lead, other_admin, notes="x")).status_code == 404
    assert (await change_lead(site, uuid4(), notes="x")).status_code == 404
    body = {"leadId": str(lead)}
    assert (await site.client.patch("/api/leads", json=body)).status_code == 401


async def test_an_agent_is_assigned_when_a_lead_is_created_and_later(site: Site) -> None:
    first, second = await create_profile(site.world, "viewer"), site.manager
    lead = await site.create_lead(assignedAgentId=str(first))
    other = await site.create_lead(assignedAgentId="")
    await site.project()

    async def list_assigned(agent: UUID) -> list[tuple[str, str]]:
        response = await request_list(site, assignedAgentId=str(agent))
        body = response.json()
        assert body["pagination"]["total"] == len(body["leads"])
        return [(row["id"], row["assigned_agent_id"]) for row in body["leads"]]

    assert await list_assigned(first) == [(str(lead), str(first))]
    changed = await change_lead(site, lead, assignedAgentId=str(second), notes="a cat")
    assert changed.json()["lead"]["assigned_agent_id"] == str(second)
    assert (await change_lead(site, lead, notes="a dog")).json()["lead"]["assigned_agent_id"] == (
        str(second)
    ), "a missing field is unchanged"
    await site.project()
    assert await list_assigned(first) == []
    assert await list_assigned(second) == [(str(lead), str(second))]
    nobody = await change_lead(site, lead, assignedAgentId=None)
    assert nobody.json()["lead"]["assigned_agent_id"] is None
    rows = (await request_list(site)).json()["leads"]
    assert {row["id"]: row["assigned_agent_id"] for row in rows}[str(other)] is None


async def test_an_agent_of_another_organisation_is_not_assigned(site: Site) -> None:
    stranger = await create_profile(await make_world(site.world.pool), "admin")
    lead = await site.create_lead()
    before = await site.world.count("crm_events")
    response = await change_lead(site, lead, assignedAgentId=str(stranger))
    assert (response.status_code, response.json()["code"]) == (400, "unknown_profile")
    body = {"propertyId": str(site.property_id), "firstName": "A", "assignedAgentId": str(stranger)}
    response = await site.client.post("/api/leads", json=body, headers=site.console_headers())
    assert (response.status_code, response.json()["code"]) == (400, "unknown_profile")
    assert await site.world.count("crm_events") == before, "no lead without its agent"
