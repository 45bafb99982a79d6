"""Requests that create and list workflow definitions, templates and runs."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.runs import RunEnrolled
from services.api.schemas import example
from tests.services.api.site import Site

DEFINITIONS, TEMPLATES = "/api/workflows/definitions", "/api/workflows/templates"
SEED = "/api/workflows/seed-defaults"
STEPS = [
    {"id": "hello", "delayHours": 0.25, "action": "sms", "templateSlug": "hello"},
    {"id": "rest", "delay_hours": 24, "action": "wait"},
]


async def post(
    site: Site, path: str, body: Any, headers: dict[str, str] | None = None
) -> httpx2.Response:
    """Send a body as the manager, or with other headers."""
    return await site.client.post(path, json=body, headers=headers or site.console_headers())


def definition_body(site: Site, **more: Any) -> dict[str, Any]:
    """Return a valid body for `POST DEFINITIONS`."""
    return {
        "propertyId": str(site.property_id), "name": "Greeting", "triggerOn": "lead_created",
        "steps": STEPS, **more,
    }  # fmt: skip


def template_body(site: Site, slug: str = "hello", **more: Any) -> dict[str, Any]:
    """Return a valid body for `POST TEMPLATES`."""
    return {
        "propertyId": str(site.property_id), "slug": slug, "name": "Hello", "channel": "sms",
        "body": "Hi!", **more,
    }  # fmt: skip


async def create_definition(site: Site, **more: Any) -> dict[str, Any]:
    """Create a workflow definition and return its row."""
    response = await post(site, DEFINITIONS, definition_body(site, **more))
    assert response.status_code == 201, response.text
    definition: dict[str, Any] = response.json()["definition"]
    return definition


async def create_template(site: Site, slug: str = "hello", **more: Any) -> dict[str, Any]:
    """Create a message template and return its row."""
    response = await post(site, TEMPLATES, template_body(site, slug, **more))
    assert response.status_code == 201, response.text
    template: dict[str, Any] = response.json()["template"]
    return template


async def list_rows(site: Site, path: str = DEFINITIONS) -> list[dict[str, Any]]:
    """Return the property's definitions or templates, as the viewer sees them."""
    await site.project()
    response = await site.client.get(
        path,
        params={"propertyId": str(site.property_id)},
        headers=site.console_headers(site.viewer),
    )
    assert response.status_code == 200, response.text
    (rows,) = response.json().values()
    return list(rows)


async def enroll_run(site: Site, lead: UUID, definition: str, version: int = 1) -> UUID:
    """Append the start of a run and return the run's id."""
    run = uuid4()
    event = RunEnrolled(
        run_id=run, lead_id=lead, definition_id=UUID(definition), definition_version=version,
        trigger="lead_created", reentry_key=str(run),
        next_action_at=site.world.now + timedelta(days=5_000),
    )  # fmt: skip
    await site.world.append(site.world.new(event))
    return run


async def create_workflow_entities(site: Site, lead: UUID) -> dict[str, str]:
    """Create an active definition, a task and a message; return example ids with their ids."""
    active = await create_definition(site, steps=STEPS[1:])
    await post(site, f"/api/workflows/definitions/{active['id']}/activate", {})
    task = await post(site, f"/api/leads/{lead}/tasks", {"title": "Call back"})
    message = await post(
        site, f"/api/leads/{lead}/send-message", {"channel": "email", "message": "Hi"}
    )
    return {
        example.ACTIVE_DEFINITION: active["id"],
        example.TASK: task.json()["task"]["id"],
        example.DELIVERY: message.json()["messageId"],
    }
