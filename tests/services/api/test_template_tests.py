"""Tests of templates: an agent sends one to itself, and no lead notices."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from services.deciders.default_templates import TEMPLATES
from tests.services.api.site import Site, create_profile, make_bearer_token
from tests.services.api.test_deliveries import read_deliveries
from tests.services.api.workflow_requests import SEED, create_template, list_rows, post
from tests.services.api.workflow_requests import TEMPLATES as PATH
from tests.world import make_world

ADDRESSES = {"email": "grace@example.com", "phone": "15125550188"}


async def send_test(
    site: Site, template_id: object, claims: dict[str, str], profile: UUID | None = None,
    body: Any = None,
) -> Any:  # fmt: skip
    token = make_bearer_token(profile or site.manager, claims=claims)
    return await site.client.post(
        f"{PATH}/{template_id}/test", json=body, headers={"Authorization": f"Bearer {token}"}
    )


async def test_every_default_template_is_sent_to_the_agent_who_asks(site: Site) -> None:
    lead = await site.create_lead(phone="+12125550123")
    await post(site, SEED, {"propertyId": str(site.property_id)})
    rows = await list_rows(site, PATH)
    assert len(rows) >= len(TEMPLATES)
    for row in rows:
        response = await send_test(site, row["id"], ADDRESSES)
        assert response.status_code == 201, response.text
        expected = "grace@example.com" if row["channel"] == "email" else "+15125550188"
        assert response.json()["recipient"] == expected
    planned = await read_deliveries(site)
    assert len(planned) == len(rows)
    for delivery in planned:
        assert delivery["purpose"] == "test"
        assert delivery["recipient"] in ("grace@example.com", "+15125550188")
        assert delivery["lead_id"] == str(lead)
        assert delivery["requested_by"] == str(site.manager)
        assert "{{" not in delivery["body"]
        if delivery["channel"] == "email":
            assert delivery["subject"].startswith("[Test] ")
    await site.project()
    activities = await site.client.get(
        f"/api/leads/{lead}/activities", headers=site.console_headers()
    )
    assert {row["type"] for row in activities.json()["activities"]} == {"lead_created"}


async def test_the_values_are_those_of_the_chosen_lead_and_samples(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada")
    await site.create_lead(firstName="Bob")
    template = await create_template(
        site, "all", channel="email", subject="Hi {{first_name}}", isActive=False,
        body="{{first_name}} {{last_name}} {{tour_link}} {{tour_time}} {{property_address}}",
    )  # fmt: skip
    await site.project()
    response = await send_test(site, template["id"], ADDRESSES, body={"leadId": str(lead)})
    assert response.status_code == 201, response.text
    (delivery,) = await read_deliveries(site)
    assert delivery["subject"] == "[Test] Hi Ada"
    assert delivery["body"] == "Ada Sample https://example.com/tour 2:30 PM 1 Sample Street"


@pytest.mark.parametrize("claims", [{"email": ""}, {"email": "no address"}], ids=str)
async def test_an_account_without_a_valid_address_gets_no_test(
    site: Site, claims: dict[str, str]
) -> None:
    await site.create_lead()
    template = await create_template(site, "mail", channel="email", subject="x")
    await site.project()
    response = await send_test(site, template["id"], claims)
    assert (response.status_code, response.json()["code"]) == (400, "no_recipient")
    assert await read_deliveries(site) == []


async def test_a_property_without_leads_and_strangers_are_refused(site: Site) -> None:
    template = await create_template(site, "mail", channel="email", subject="x")
    await site.project()
    response = await send_test(site, template["id"], ADDRESSES)
    assert (response.status_code, response.json()["code"]) == (409, "no_lead")
    stranger = await create_profile(await make_world(site.world.pool), "admin")
    for key, profile, status in (
        (template["id"], stranger, 404), (uuid4(), site.manager, 404),
        (template["id"], site.viewer, 403),
    ):  # fmt: skip
        assert (await send_test(site, key, ADDRESSES, profile)).status_code == status
    response = await send_test(site, template["id"], ADDRESSES, body={"leadId": str(uuid4())})
    assert response.status_code == 404
    assert await read_deliveries(site) == []
