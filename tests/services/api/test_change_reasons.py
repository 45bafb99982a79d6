"""Reasons of changes: recorded with the change as an event of the lead, or not at all."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from tests.services.api.site import Site

REASON = "She asked – by phone; <b>really</b>"


async def change(site: Site, lead: UUID, reason: str, **more: Any) -> Any:
    headers = site.console_headers(more={"X-CRM-Reason": reason, **more})
    body = {"leadId": str(lead), "status": "contacted"}
    return await site.client.patch("/api/leads", json=body, headers=headers)


async def read_explanations(site: Site) -> list[dict[str, Any]]:
    rows = await site.world.pool.fetch(
        "SELECT id, actor, lead_id, correlation_id FROM crm_events"
        " WHERE event_type = 'change.explained' ORDER BY seq"
    )
    return [dict(row) for row in rows]


async def test_the_reason_is_an_event_of_the_same_change(site: Site) -> None:
    lead = await site.create_lead()
    response = await change(site, lead, quote(REASON))
    assert response.status_code == 200, response.text
    [explained] = await read_explanations(site)
    assert explained["lead_id"] == lead
    assert explained["actor"] == f"user:{site.manager}"
    types = await site.read_event_types()
    assert types.index("change.explained") == types.index("lead.status_changed") + 1
    [changed] = await site.world.pool.fetch(
        "SELECT correlation_id FROM crm_events WHERE event_type = 'lead.status_changed'"
    )
    assert explained["correlation_id"] == changed["correlation_id"]
    await site.project()


async def test_the_reason_of_a_change_that_changes_nothing_is_not_recorded(site: Site) -> None:
    lead = await site.create_lead()
    for _ in range(2):
        assert (await change(site, lead, "again")).status_code == 200
    assert len(await read_explanations(site)) == 1


async def test_a_repeated_request_is_explained_once(site: Site) -> None:
    lead = await site.create_lead()
    for _ in range(2):
        response = await change(site, lead, "once", **{"Idempotency-Key": "k"})
        assert response.status_code == 200
    assert len(await read_explanations(site)) == 1


@pytest.mark.parametrize("reason", ["%FF", "x" * 1_001, "a%00b"])
async def test_a_reason_that_cannot_be_stored_is_refused(site: Site, reason: str) -> None:
    lead = await site.create_lead()
    response = await change(site, lead, reason)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_reason")
    assert "lead.status_changed" not in await site.read_event_types()


async def read_reasons(site: Site, event_type: str) -> list[dict[str, Any]]:
    rows = await site.world.pool.fetch(
        "SELECT id, actor, payload::jsonb ->> 'explained_event_id' AS explained FROM crm_events"
        " WHERE event_type = $1 ORDER BY seq",
        event_type,
    )
    return [dict(row) for row in rows]


async def test_the_takeover_of_an_anonymous_chat_is_explained(site: Site) -> None:
    turn = await site.send_chat("hello")
    headers = site.console_headers(more={"X-CRM-Reason": "why", "Idempotency-Key": "k"})
    path = f"/api/conversations/{turn['conversationId']}/takeover"
    await site.client.post(path, headers=headers)
    response = await site.client.post(path, headers=headers)
    assert response.status_code == 200, response.text
    taken_over, explained = response.headers["X-CRM-Events"].split(",")
    [row] = await read_reasons(site, "conversation.change_explained")
    assert (str(row["id"]), row["explained"]) == (explained, taken_over)
    assert row["actor"] == f"user:{site.manager}"
    await site.project()


async def test_a_change_of_the_widget_is_explained(site: Site) -> None:
    body = {"propertyId": str(site.property_id), "config": {"tourBlackoutDates": ["2036-12-25"]}}
    headers = site.console_headers(site.admin, more={"X-CRM-Reason": "closed"})
    for _ in range(2):
        path = "/api/lumaleasing/admin/config"
        response = await site.client.put(path, json=body, headers=headers)
        assert response.status_code == 200, response.text
    [row] = await read_reasons(site, "property.change_explained")
    assert row["actor"] == f"user:{site.admin}"
    await site.project()


async def test_a_blank_reason_is_no_reason(site: Site) -> None:
    lead = await site.create_lead()
    assert (await change(site, lead, "%20")).status_code == 200
    assert await read_explanations(site) == []
