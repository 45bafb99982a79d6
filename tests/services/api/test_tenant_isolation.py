"""Two organisations in one API: no credential of one reads or changes data of the other."""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from services.api.schemas import example
from tests.services.api.api_key_requests import append_api_key, find_event_id
from tests.services.api.openapi_check import Operation, operations
from tests.services.api.site import ORIGIN, Site, create_profile, create_widget, make_bearer_token
from tests.services.api.tour_requests import example_slots
from tests.services.api.workflow_requests import (
    create_definition,
    create_template,
    create_workflow_entities,
    enroll_run,
)
from tests.world import make_world

SECRET = "quokka"
"""A word in every text of the other organisation."""


@dataclass
class TwoSites:
    """The site of the caller, and a site of another organisation.

    `own_ids` and `other_ids` map each example id of the OpenAPI document to an id of the site.
    """

    own: Site
    other: Site
    own_ids: dict[str, str]
    other_ids: dict[str, str]
    credentials: dict[str, dict[str, str]] = field(default_factory=dict)


async def create_entities(site: Site, word: str) -> dict[str, str]:
    """Create one entity of every kind; return example ids with the ids of the created entities."""
    lead = await site.create_lead(
        firstName=word, lastName=word, email=f"{word}-{uuid4()}@example.com", notes=word
    )
    tour = await site.book_tour(lead, notes=word)
    session, conversation, message = uuid4(), uuid4(), uuid4()
    await site.send_chat(
        f"{word} here",
        visitor=f"v_{word}",
        sessionId=str(session),
        conversationId=str(conversation),
        messageId=str(message),
        leadInfo={"firstName": word, "email": f"{word}-{uuid4()}@example.com"},
    )
    message_template = await create_template(site, example.SLUG, name=word, body=word)
    definition = await create_definition(site, name=word, description=word)
    run = await enroll_run(site, lead, definition["id"])
    workflow_ids = await create_workflow_entities(site, lead)
    key_id = uuid4()
    await append_api_key(site.world, api_key_id=key_id, label=word)
    site.api_key = await append_api_key(site.world)
    await site.project()
    return {
        **example_slots(site.property_id),
        **workflow_ids,
        example.API_KEY: str(key_id),
        example.EVENT: str(await find_event_id(site, lead)),
        example.ORGANIZATION: str(site.world.org_id),
        example.PROPERTY: str(site.property_id),
        example.LEAD: str(lead),
        example.TOUR: tour["id"],
        example.SESSION: str(session),
        example.CONVERSATION: str(conversation),
        example.MESSAGE: str(message),
        example.VISITOR: f"v_{word}",
        example.DEFINITION: definition["id"],
        example.TEMPLATE: message_template["id"],
        example.RUN: str(run),
    }


@pytest.fixture
async def sites(site: Site) -> TwoSites:
    world = await make_world(site.world.pool)
    other = Site(
        site.client, world, await create_widget(world), await create_profile(world, "manager"),
        await create_profile(world, "viewer"), site.responder,
    )  # fmt: skip
    sites = TwoSites(
        site, other, await create_entities(site, "mine"), await create_entities(other, SECRET)
    )
    profiles = {
        role: await create_profile(site.world, role) for role in ("admin", "manager", "viewer")
    }
    bearer = {
        role: f"Bearer {make_bearer_token(profile_id)}" for role, profile_id in profiles.items()
    }
    sites.credentials = {
        **{role: {"Authorization": authorization} for role, authorization in bearer.items()},
        "key": {"X-API-Key": site.key, "X-Visitor-ID": sites.other_ids[example.VISITOR]},
        "key on an allowed page": {"X-API-Key": site.key, "Origin": ORIGIN},
        "key as bearer": {"Authorization": f"Bearer {site.key}"},
        "API key": {"X-API-Key": site.api_key},
        "key beside a token": {"X-API-Key": site.key, "Authorization": bearer["admin"]},
        "no credential": {},
        "unknown user": {"Authorization": f"Bearer {make_bearer_token(uuid4())}"},
        "another secret": {
            "Authorization": f"Bearer {make_bearer_token(other.manager, secret='x' * 40)}"
        },
        "an expired token": {"Authorization": "Bearer " + make_bearer_token(
            other.manager, claims={"exp": datetime.now(UTC) - timedelta(hours=1)})},
        "a service role": {"Authorization": "Bearer " + make_bearer_token(
            uuid4(), claims={"role": "service_role", "org_id": str(other.world.org_id)})},
    }  # fmt: skip
    return sites


def replace_ids(ids: dict[str, str], value: Any) -> Any:
    """Return the value with each example id in it replaced."""
    text = json.dumps(value)
    for example_id, real_id in ids.items():
        text = text.replace(example_id, real_id)
    return json.loads(text)


async def send(
    sites: TwoSites, operation: Operation, body: Any, ids: dict[str, str], credential: str
) -> httpx2.Response:
    path, query = operation.path, {}
    for parameter in operation.description.get("parameters", ()):
        examples = parameter.get("schema", {}).get("examples") or [parameter.get("example")]
        value = replace_ids(ids, parameter.get("examples", {}).get("value") or examples[0])
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", str(value or uuid4()))
        elif parameter["in"] == "query" and value is not None:
            query[parameter["name"]] = value
    json_body = {} if body is None else {"json": replace_ids(ids, body)}
    return await sites.own.client.request(
        operation.method, path, params=query, headers=sites.credentials[credential], **json_body
    )


async def count_other_events(sites: TwoSites) -> int:
    async with sites.own.world.pool.acquire() as conn:
        return int(
            await conn.fetchval(
                "SELECT count(*) FROM crm_events WHERE org_id = $1 OR property_id = $2",
                sites.other.world.org_id, sites.other.property_id,
            )
        )  # fmt: skip


def mix_ids(sites: TwoSites, rounds: int, seed: str) -> list[dict[str, str]]:
    """Return the other site's ids, then seeded random mixtures of other, own and unknown ids."""
    generator = random.Random(seed)
    mixtures = [dict(sites.other_ids)]
    for _ in range(rounds):
        unknown_id = UUID(int=generator.getrandbits(128), version=4)
        mixtures.append(
            {
                example_id: generator.choice(
                    [sites.own_ids[example_id], sites.other_ids[example_id], str(unknown_id)]
                )
                for example_id in sites.other_ids
            }
        )
    return mixtures


@pytest.mark.parametrize("credential", [
    "admin", "manager", "viewer", "key", "key on an allowed page", "key as bearer",
    "key beside a token", "API key", "no credential", "unknown user", "another secret",
    "an expired token", "a service role",
])  # fmt: skip
@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.soak)])
async def test_no_credential_of_one_organisation_reaches_another(
    sites: TwoSites, credential: str, rounds: int
) -> None:
    """Send each operation and body with the other's ids, and with `rounds` mixtures of ids."""
    events_before, request_count = await count_other_events(sites), 0
    for operation in operations():
        for name, body in operation.example_bodies.items():
            for ids in mix_ids(sites, rounds, f"{credential} {operation.name} {name}"):
                response = await send(sites, operation, body, ids, credential)
                context = (operation.name, name, response.status_code, response.text)
                assert response.status_code < 500, context
                # The response may repeat the visitor id that the request contained.
                text = response.text.replace(sites.other_ids[example.VISITOR], "")
                assert SECRET not in text, context
                request_count += 1
    await sites.own.world.project()
    assert await count_other_events(sites) == events_before
    bodies = sum(len(operation.example_bodies) for operation in operations())
    assert request_count == bodies * (rounds + 1)


async def test_the_other_organisation_finds_its_own_word(sites: TwoSites) -> None:
    """Show that the test above can fail: with the right credential the word is found."""
    response = await sites.own.client.get(
        f"/api/leads/{sites.other_ids[example.LEAD]}/tours",
        headers=sites.other.console_headers(),
    )
    assert SECRET in response.text
