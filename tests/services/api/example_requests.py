"""The requests of the OpenAPI document's examples, with the entities that they name."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

import httpx2

from services.api.schemas import example
from services.privacy.erasure_completion import complete_erasures
from tests.services.api.api_key_requests import find_event_id, issue_api_key
from tests.services.api.openapi_check import Operation
from tests.services.api.site import Site
from tests.services.api.tour_requests import example_slots
from tests.services.api.workflow_requests import (
    STEPS,
    create_definition,
    create_template,
    create_workflow_entities,
    enroll_run,
)

LAST = ("erasure", "certificate")
"""Ends of paths of the last operations: an erasure leaves nothing for others, except to certify."""


async def create_examples(site: Site, agent: UUID | None = None) -> dict[str, str]:
    """Create the entities of the examples; return example ids with the ids of the entities.

    The conversation is taken over by `agent`, by the manager if none is given.
    """
    lead = await site.create_lead(firstName="Ada", phone="+12125550123")
    tour = await site.book_tour(lead)
    await site.send_chat(
        "hello", example.VISITOR, sessionId=example.SESSION, conversationId=example.CONVERSATION
    )
    takeover = f"/api/conversations/{example.CONVERSATION}/takeover"
    assert (await site.client.post(takeover, headers=site.console_headers(agent))).is_success
    property_id, other_lead = str(site.property_id), str(await site.create_lead())
    message_template = await create_template(site, example.SLUG)
    definition = await create_definition(site, steps=[{**STEPS[0], "templateSlug": example.SLUG}])
    run = await enroll_run(site, lead, definition["id"])
    site.api_key = (await issue_api_key(site))["key"]
    return {
        **await create_workflow_entities(site, lead),
        example.PROPERTY: property_id,
        example.LEAD: str(lead),
        example.TOUR: tour["id"],
        example.DEFINITION: definition["id"],
        example.TEMPLATE: message_template["id"],
        example.RUN: str(run),
        example.OTHER_LEAD: other_lead,
        example.API_KEY: (await issue_api_key(site))["id"],
        example.EVENT: str(await find_event_id(site, lead)),
        **example_slots(site.property_id),
    }


async def send_example(
    site: Site, operation: Operation, body: Any, ids: dict[str, str], headers: dict[str, str]
) -> httpx2.Response:
    """Send one example of an operation with the given credentials."""
    path, query = path_and_query(operation, ids)
    json_body = None if body is None else json.loads(replace_examples(json.dumps(body), ids))
    return await site.client.request(
        operation.method, path, params=query, json=json_body, headers=headers
    )


async def in_order(site: Site, operations: Iterable[Operation]) -> AsyncIterator[Operation]:
    """Yield the operations in an order in which all can succeed; the tables are up to date."""
    for operation in sorted(operations, key=_stage):
        await site.project()
        await complete_erasures(site.world.pool, site.world.now)
        yield operation


def _stage(operation: Operation) -> int:
    """Return when an operation can succeed: those that remove what others need come later."""
    last = operation.path.rpartition("/")[2]
    return LAST.index(last) + 2 if last in LAST else int(operation.method == "DELETE")


def credentials(site: Site, operation: Operation) -> dict[str, str]:
    """Return headers with which an operation succeeds.

    They are those of the visitor, of a service, of the manager or of the admin.
    """
    if operation.is_for_services:
        return {"X-API-Key": site.api_key}
    if not operation.roles:
        return site.widget_headers(example.VISITOR)
    return site.console_headers(site.manager if "manager" in operation.roles else site.admin)


def path_and_query(operation: Operation, ids: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return path and query with the examples of the required parameters."""
    path, query = operation.path, {}
    for parameter in operation.description["parameters"]:
        if parameter["required"]:
            value = replace_examples(parameter["schema"]["examples"][0], ids)
            path = path.replace("{" + parameter["name"] + "}", value)
            if parameter["in"] == "query":
                query[parameter["name"]] = value
    return path, query


def replace_examples(text: str, ids: dict[str, str]) -> str:
    """Return a text with the ids of real entities instead of those of the examples."""
    for example_id, real_id in ids.items():
        text = text.replace(example_id, real_id)
    return text
