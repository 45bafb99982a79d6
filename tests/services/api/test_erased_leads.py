"""Requests about an erased lead: nothing is added to it, and what it has goes on to its end."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from events.leads import LeadErased
from tests.services.api.site import NEXT_MONTH, Site
from tests.services.api.workflow_requests import post

SECRET = "She moves to Oak Street"
TOUR = {"tourDate": NEXT_MONTH.isoformat(), "tourTime": "14:00", "notes": "with Ada"}
ADDITIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a tour": ("POST", "/api/leads/{lead}/tours", TOUR),
    "a task": ("POST", "/api/leads/{lead}/tasks", {"title": "Call Ada"}),
    "an activity": (
        "POST", "/api/leads/{lead}/activities", {"type": "call_made", "description": "Ada called"},
    ),
    "an engagement": (
        "POST", "/api/leadpulse/events", {"leadId": "{lead}", "eventType": "email_opened"},
    ),
    "a detail": ("PATCH", "/api/leads", {"leadId": "{lead}", "firstName": "Ada"}),
    "a merge into it": ("POST", "/api/leads/{other}/merge", {"intoLeadId": "{lead}"}),
    "a merge of it": ("POST", "/api/leads/{lead}/merge", {"intoLeadId": "{other}"}),
}  # fmt: skip


async def erase(site: Site, lead: UUID) -> None:
    await site.world.append(site.world.new(LeadErased(lead_id=lead, reason="request")))


async def send(
    site: Site, addition: tuple[str, str, dict[str, Any]], lead: UUID, other: UUID
) -> httpx2.Response:
    method, path, body = addition
    ids = {"{lead}": str(lead), "{other}": str(other)}
    return await site.client.request(
        method, path.format(lead=lead, other=other), headers=site.console_headers(),
        json={name: ids.get(value, value) for name, value in body.items()},
    )  # fmt: skip


@pytest.mark.parametrize("name", ADDITIONS)
async def test_nothing_is_added_to_an_erased_lead(site: Site, name: str) -> None:
    lead, other = await site.create_lead(), await site.create_lead()
    await erase(site, lead)
    response = await send(site, ADDITIONS[name], lead, other)
    assert (response.status_code, response.json()["code"]) == (409, "lead_erased")
    events = await site.world.pool.fetchval(
        "SELECT count(*) FROM crm_events WHERE lead_id = $1 AND event_type <> $2", lead,
        LeadErased.name,
    )  # fmt: skip
    assert events == 1, "the lead itself"


async def test_what_an_erased_lead_has_comes_to_its_end_without_its_texts(site: Site) -> None:
    lead = await site.create_lead()
    tour = await site.book_tour(lead)
    task = await post(site, f"/api/leads/{lead}/tasks", {"title": "Call"})
    await erase(site, lead)
    path, body = f"/api/leads/{lead}/tours", {"tourId": tour["id"], "notes": SECRET}
    changed = await site.client.patch(path, json=body, headers=site.console_headers())
    assert (changed.status_code, changed.json()["code"]) == (409, "lead_erased")
    cancelled = await site.client.delete(
        path, params={"tourId": tour["id"]}, headers=site.console_headers()
    )
    assert cancelled.status_code == 200, cancelled.text
    done = await site.client.patch(
        f"/api/tasks/{task.json()['task']['id']}", json={"done": True, "result": SECRET},
        headers=site.console_headers(),
    )  # fmt: skip
    assert done.status_code == 200, done.text
    await site.project()
    for query in (
        "SELECT payload FROM crm_events",
        "SELECT * FROM lead_tasks",
        "SELECT * FROM tours",
    ):
        assert SECRET not in str(await site.world.pool.fetch(query))
