"""Requests of every operation in which one id varies, and two tenants that send them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2

from services.api.schemas import example
from tests.services.api.openapi_check import Operation, openapi_document, operations
from tests.services.api.site import (
    Site,
    create_profile,
    create_widget,
)
from tests.services.api.test_tenant_isolation import create_entities, replace_ids
from tests.world import make_world

VOLATILE = re.compile(
    r'"sessionToken": ?"[^"]+"|lk_[\w-]+|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)'
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
"""Values that the server makes anew for each request."""
EXAMPLE_IDS = {
    value: name
    for name, value in vars(example).items()
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f-]{36}", value)
}


MESSAGE_IN_EXAMPLE = "6f1c2d3e-4b5a-4c6d-8e7f-9a0b1c2d3e08"
"""The id of a new message in an example: each request sends another message."""
OPTIONAL_IDS = {
    "sessionId": example.SESSION, "conversationId": example.CONVERSATION,
    "messageId": example.MESSAGE, "before": example.MESSAGE, "after": example.MESSAGE,
    "leadId": example.LEAD, "tourId": example.TOUR, "runId": example.RUN,
    "slotId": example.FREE_SLOT, "assignedAgentId": example.PERSON,
}  # fmt: skip
"""Field or parameter with an id → its example, where the document's own example leaves it out."""


@dataclass(frozen=True)
class IdRequest:
    """A request of an operation in which one id, the one of the example `example_id`, varies."""

    operation: Operation
    body: Any
    query: dict[str, str]
    example_id: str
    location: str

    @property
    def name(self) -> str:
        return f"{self.operation.name} {self.location} {EXAMPLE_IDS[self.example_id]}"


def id_requests() -> Iterator[IdRequest]:
    """Yield a request for each id in the parameters and the bodies of the document."""
    for operation in operations():
        parameters = operation.description.get("parameters", ())
        for body in operation.example_bodies.values():
            for location, text in (("parameter", str(parameters)), ("body", json.dumps(body))):
                for example_id in EXAMPLE_IDS:
                    if example_id in text:
                        yield IdRequest(operation, body, {}, example_id, location)
        body = next(iter(operation.example_bodies.values()))
        for name in id_fields(operation, body):
            changed = {**body, name: OPTIONAL_IDS[name]}
            yield IdRequest(operation, changed, {}, OPTIONAL_IDS[name], f"body.{name}")
        for parameter in parameters:
            name, schema = parameter["name"], json.dumps(parameter)
            if parameter["in"] == "query" and "examples" not in schema and name in OPTIONAL_IDS:
                example_id = OPTIONAL_IDS[name]
                yield IdRequest(operation, body, {name: example_id}, example_id, f"query.{name}")


def id_fields(operation: Operation, body: Any) -> list[str]:
    """Return the fields of the body's schema that hold an id and are not in the example."""
    if body is None:
        return []
    schema = operation.description["requestBody"]["content"]["application/json"]["schema"]
    components = openapi_document()["components"]["schemas"]
    properties = components[schema["$ref"].rpartition("/")[2]]["properties"]
    ids = [name for name, field in properties.items() if '"format": "uuid"' in json.dumps(field)]
    return [name for name in ids if name not in body and name in OPTIONAL_IDS]


REQUESTS = list(id_requests())


@dataclass
class TwoTenants:
    """The site of the caller with its ids, and the ids of another organisation's entities."""

    own: Site
    own_ids: dict[str, str]
    foreign_ids: dict[str, str]


async def make_tenants(site: Site) -> TwoTenants:
    world = await make_world(site.world.pool)
    other = Site(
        site.client, world, await create_widget(world), await create_profile(world, "manager"),
        await create_profile(world, "viewer"), site.responder,
    )  # fmt: skip
    ids = [await create_entities(tenant, "same") for tenant in (site, other)]
    for tenant, own in ((site, ids[0]), (other, ids[1])):
        own[example.OTHER_LEAD] = str(await tenant.create_lead(firstName="Second"))
        own[example.PERSON] = own[example.AGENT] = str(tenant.manager)
        own[example.ROW] = str(uuid4())
        await tenant.project()
    return TwoTenants(site, *ids)


async def send(tenants: TwoTenants, request: IdRequest, varied_id: str) -> httpx2.Response:
    """Send the request with the caller's own ids, but for the one that varies."""
    ids = {**tenants.own_ids, request.example_id: varied_id}
    path, query = request.operation.path, replace_ids(ids, request.query)
    for parameter in request.operation.description.get("parameters", ()):
        examples = parameter.get("schema", {}).get("examples") or [parameter.get("example")]
        value = replace_ids(ids, parameter.get("examples", {}).get("value") or examples[0])
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", str(value))
        elif parameter["in"] == "query" and value is not None:
            query[parameter["name"]] = value
    site = tenants.own
    is_widget = not request.operation.roles
    headers = (
        site.widget_headers(tenants.own_ids[example.VISITOR])
        if is_widget
        else site.console_headers(site.admin)
    )
    if request.operation.is_for_services:
        headers = {"X-API-Key": site.api_key}
    ids[MESSAGE_IN_EXAMPLE] = str(uuid4())
    body = {} if request.body is None else {"json": replace_ids(ids, request.body)}
    return await site.client.request(
        request.operation.method, path, params=query, headers=headers, **body
    )


def comparable(response: httpx2.Response, varied_id: str) -> tuple[int, str, str]:
    """Return status, code and body; the id that was sent and values made anew are replaced."""
    text = response.text.replace(varied_id, "<sent>")
    code = response.json().get("code", "") if response.status_code >= 400 else ""
    return response.status_code, code, VOLATILE.sub("<new>", text)
