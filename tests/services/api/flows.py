"""Workflows, templates and runs for tests of routes."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.runs import RunEnrolled
from tests.services.api.conftest import Site

DEFINITIONS, TEMPLATES = "/api/workflows/definitions", "/api/workflows/templates"
SEED = "/api/workflows/seed-defaults"
STEPS = [
    {"id": "hello", "delayHours": 0.25, "action": "sms", "templateSlug": "hello"},
    {"id": "rest", "delay_hours": 24, "action": "wait"},
]


async def post(site: Site, path: str, body: Any, **more: Any) -> httpx2.Response:
    return await site.client.post(path, json=body, headers=more.get("headers") or site.console())


async def written(site: Site, **more: Any) -> dict[str, Any]:
    said = {"propertyId": str(site.property_id), "name": "Greeting", "triggerOn": "lead_created",
            "steps": STEPS, **more}  # fmt: skip
    answer = await post(site, DEFINITIONS, said)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()["definition"]
    return found


async def template(site: Site, slug: str = "hello", **more: Any) -> dict[str, Any]:
    said = {"propertyId": str(site.property_id), "slug": slug, "name": "Hello", "channel": "sms",
            "body": "Hi!", **more}  # fmt: skip
    answer = await post(site, TEMPLATES, said)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()["template"]
    return found


async def listed(site: Site, path: str = DEFINITIONS) -> list[dict[str, Any]]:
    await site.project()
    answer = await site.client.get(
        path, params={"propertyId": str(site.property_id)}, headers=site.console(site.viewer)
    )
    assert answer.status_code == 200, answer.text
    (found,) = answer.json().values()
    rows: list[dict[str, Any]] = found
    return rows


async def enrolled(site: Site, lead: UUID, definition: str, version: int = 1) -> UUID:
    run = uuid4()
    event = RunEnrolled(
        run_id=run, lead_id=lead, definition_id=UUID(definition), definition_version=version,
        trigger="lead_created", reentry_key=str(run),
        next_action_at=site.world.now + timedelta(days=5_000),
    )  # fmt: skip
    await site.world.append(site.world.new(event))
    return run
