"""API keys of services, and the requests that services send with them."""

from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.api_keys import ApiKeyIssued
from events.record import NewEvent
from services.application.api_keys import hash_key, make_key
from tests.services.api.site import Site
from tests.world import CAUSE, World

API_KEYS, EVENTS = "/api/api-keys", "/api/events"


async def issue_api_key(site: Site, **body: Any) -> dict[str, Any]:
    """Issue a key as the admin; return its id and the key."""
    response = await post_api_key(site, **body)
    assert response.status_code == 201, response.text
    issued: dict[str, Any] = response.json()
    return issued


async def post_api_key(
    site: Site, more: dict[str, str] | None = None, **body: Any
) -> httpx2.Response:
    required = {"label": "warehouse", "scopes": ["events:read"], "reason": "reports"}
    return await site.client.post(
        API_KEYS, json={**required, **body}, headers=site.console_headers(site.admin, more)
    )


async def append_api_key(world: World, **fields: Any) -> str:
    """Append the event of a key, also of one that the decider would refuse; return the key."""
    key_id = fields.get("api_key_id") or uuid4()
    key = make_key(key_id, b"s" * 32)
    default_fields = {
        "api_key_id": key_id, "key_hash": hash_key(key), "label": "warehouse",
        "scopes": ("events:read",), "reason": "reports",
    }  # fmt: skip
    event = ApiKeyIssued.model_validate({**default_fields, **fields})
    await world.append(NewEvent(uuid4(), event, world.org_id, None, world.tick(), CAUSE))
    return key


async def read_events(site: Site, key: str, **query: Any) -> dict[str, Any]:
    """Return a page of events."""
    response = await site.client.get(EVENTS, params=query, headers={"X-API-Key": key})
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page


async def get_event(site: Site, key: str, event_id: UUID | str) -> httpx2.Response:
    return await site.client.get(f"{EVENTS}/{event_id}", headers={"X-API-Key": key})


async def find_event_id(site: Site, entity_id: UUID, event_type: str | None = None) -> UUID:
    """Return the id of the first event of an entity, or of its first one of a type."""
    async with site.world.pool.acquire() as conn:
        event_id: UUID = await conn.fetchval(
            "SELECT id FROM crm_events WHERE entity_id = $1 AND ($2::text IS NULL "
            "OR event_type = $2) ORDER BY seq LIMIT 1",
            entity_id,
            event_type,
        )
    return event_id
