"""The header with the events of a write: for people of the console, and the same when repeated."""

from typing import Any
from uuid import UUID

import pytest

from services.api.responses import EVENTS_HEADER
from services.application.command_result import decode_outcome
from tests.services.api.site import Site


async def change_status(site: Site, lead: UUID, status: str, **more: str) -> Any:
    body = {"leadId": str(lead), "status": status}
    headers = site.console_headers(more=more)
    response = await site.client.patch("/api/leads", json=body, headers=headers)
    assert response.status_code == 200, response.text
    return response


async def read_type(site: Site, event_id: str) -> str:
    sql = "SELECT event_type FROM crm_events WHERE id = $1"
    return str(await site.world.pool.fetchval(sql, UUID(event_id)))


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}], ids=["no key", "key"])
async def test_a_write_names_its_events_in_order(site: Site, key: dict[str, str]) -> None:
    lead = await site.create_lead()
    response = await change_status(site, lead, "contacted", **key, **{"X-CRM-Reason": "why"})
    ids = response.headers[EVENTS_HEADER].split(",")
    types = [await read_type(site, one) for one in ids]
    assert types == ["lead.status_changed", "change.explained"]


async def test_a_repeated_write_names_the_same_events(site: Site) -> None:
    lead = await site.create_lead()
    key = {"Idempotency-Key": "k"}
    first = await change_status(site, lead, "contacted", **key)
    second = await change_status(site, lead, "contacted", **key)
    assert second.headers[EVENTS_HEADER] == first.headers[EVENTS_HEADER]


def test_a_result_that_an_older_build_stored_names_no_events() -> None:
    assert decode_outcome({"result": {"success": True}, "token": None}).event_ids == ()


async def test_a_write_that_changes_nothing_names_no_event(site: Site) -> None:
    lead = await site.create_lead()
    await change_status(site, lead, "contacted")
    assert EVENTS_HEADER not in (await change_status(site, lead, "contacted")).headers


async def test_a_visitor_learns_no_event_id(site: Site) -> None:
    lead = {"email": "ada@example.com"}
    response = await site.client.post(
        "/api/lumaleasing/lead", json=lead, headers=site.widget_headers()
    )
    assert response.status_code == 200, response.text
    assert EVENTS_HEADER not in response.headers
