"""Activities that agents record about a lead, over HTTP."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.services.api.site import Site, create_profile
from tests.world import make_world

CALL: dict[str, Any] = {
    "type": "call_made", "description": "Left a message.", "metadata": {"seconds": 40},
}  # fmt: skip


async def test_a_recorded_activity_is_returned_and_listed_as_one_row(site: Site) -> None:
    lead = await site.create_lead()
    path = f"/api/leads/{lead}/activities"
    response = await site.client.post(path, json=CALL, headers=site.console_headers())
    assert response.status_code == 201
    recorded = response.json()["activity"]
    assert {**recorded, **CALL} == recorded
    assert recorded["created_by"] == str(site.manager)
    await site.project()
    listed = (await site.client.get(path, headers=site.console_headers(site.viewer))).json()[
        "activities"
    ]
    assert listed[0] == recorded


@pytest.mark.parametrize(
    ("kind", "channel"),
    [("call_made", "call"), ("email_sent", "email"), ("sms_sent", "sms"), ("note", None),
     ("message_received", None)],
)  # fmt: skip
async def test_a_call_or_a_message_to_a_lead_is_a_contact(
    site: Site, kind: str, channel: str | None
) -> None:
    lead = await site.create_lead()
    path = f"/api/leads/{lead}/activities"
    response = await site.client.post(
        path, json={**CALL, "type": kind}, headers=site.console_headers()
    )
    recorded = response.json()["activity"]
    await site.project()
    async with site.world.pool.acquire() as conn:
        contacted_at = await conn.fetchval("SELECT last_contacted_at FROM leads")
        channels = await conn.fetch(
            "SELECT payload ->> 'channel' FROM crm_events WHERE event_type = 'lead.contacted'"
        )
    listed = (await site.client.get(path, headers=site.console_headers())).json()["activities"]
    assert [item["type"] for item in listed] == [kind, "lead_created"], "one row per action"
    assert [tuple(item) for item in channels] == ([(channel,)] if channel else [])
    expected = datetime.fromisoformat(recorded["created_at"]) if channel else None
    assert contacted_at == expected


@pytest.mark.parametrize("kind", ["note", "email_sent", "sms_sent", "message_received"])
async def test_every_activity_type_of_agents_can_be_recorded(site: Site, kind: str) -> None:
    lead = await site.create_lead()
    body = {"type": kind, "description": "It was done."}
    response = await site.client.post(
        f"/api/leads/{lead}/activities", json=body, headers=site.console_headers()
    )
    assert (response.status_code, response.json()["activity"]["metadata"]) == (201, {})


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("tour_completed", "derived_activity_type"), ("lead_created", "derived_activity_type"),
        ("score_bucket_changed", "derived_activity_type"), ("sneezed", "unknown_activity_type"),
        ("", "unknown_activity_type"), ("a\x00", "unknown_activity_type"),
    ],
)  # fmt: skip
async def test_a_derived_or_unknown_activity_type_is_400(site: Site, kind: str, code: str) -> None:
    lead = await site.create_lead()
    response = await site.client.post(
        f"/api/leads/{lead}/activities", json={**CALL, "type": kind}, headers=site.console_headers()
    )
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert "activity.recorded" not in await site.read_event_types()


async def test_a_missing_or_invalid_field_is_400(site: Site) -> None:
    lead = await site.create_lead()
    for change in (
        {"description": None}, {"description": " "}, {"description": "a\x00b"},
        {"description": "x" * 2_001}, {"metadata": [1]}, {"metadata": {"a": "\x00"}},
        {"metadata": {str(n): n for n in range(201)}}, {"type": None}, {"type": 1},
    ):  # fmt: skip
        response = await site.client.post(
            f"/api/leads/{lead}/activities", json={**CALL, **change}, headers=site.console_headers()
        )
        assert (response.status_code, response.json()["code"]) == (400, "invalid"), change


async def test_only_writers_of_the_lead_s_organisation_record_activities(site: Site) -> None:
    lead = await site.create_lead()
    path = f"/api/leads/{lead}/activities"
    assert (await site.client.post(path, json=CALL)).status_code == 401
    headers = site.console_headers(site.viewer)
    assert (await site.client.post(path, json=CALL, headers=headers)).status_code == 403
    other_admin = await create_profile(await make_world(site.world.pool), "admin")
    for profile_id, target in ((other_admin, lead), (site.manager, uuid4())):
        response = await site.client.post(
            f"/api/leads/{target}/activities", json=CALL, headers=site.console_headers(profile_id)
        )
        assert response.status_code == 404


async def test_a_request_with_a_repeated_key_is_recorded_once(site: Site) -> None:
    lead = await site.create_lead()
    headers = site.console_headers(more={"Idempotency-Key": "call-1"})
    first, second = [
        await site.client.post(f"/api/leads/{lead}/activities", json=CALL, headers=headers)
        for _ in range(2)
    ]
    assert first.content == second.content
    assert (await site.read_event_types()).count("activity.recorded") == 1
