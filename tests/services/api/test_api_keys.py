"""API keys of services, as admins issue, list and revoke them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from services.api.routes import api_keys
from services.application.api_keys import hash_key
from services.runtime.settings import Settings
from tests.services.api.api_key_requests import (
    API_KEYS,
    EVENTS,
    append_api_key,
    issue_api_key,
    post_api_key,
    read_events,
)
from tests.services.api.site import Site, create_second_property, open_site
from tests.world import make_world


async def send(site: Site, key: str) -> tuple[int, str | None]:
    response = await site.client.get(EVENTS, headers={"X-API-Key": key})
    return response.status_code, response.json().get("code")


async def revoke(site: Site, key_id: str, reason: str = "leaked") -> httpx2.Response:
    return await site.client.post(
        f"{API_KEYS}/{key_id}/revoke", json={"reason": reason},
        headers=site.console_headers(site.admin),
    )  # fmt: skip


async def list_keys(site: Site) -> list[dict[str, Any]]:
    await site.project()
    response = await site.client.get(API_KEYS, headers=site.console_headers(site.admin))
    assert response.status_code == 200, response.text
    keys: list[dict[str, Any]] = response.json()["keys"]
    return keys


async def test_a_key_works_at_once_and_its_event_says_who_and_why(site: Site) -> None:
    issued = await issue_api_key(site, reason="reports for the owners")
    assert await send(site, issued["key"]) == (200, None)
    row = await site.world.pool.fetchrow("SELECT * FROM crm_events WHERE entity_type = 'api_key'")
    assert row is not None
    assert (row["org_id"], row["property_id"]) == (site.world.org_id, None)
    assert (row["actor"], row["payload"]["reason"]) == (
        f"user:{site.admin}", "reports for the owners",
    )  # fmt: skip
    assert row["payload"]["key_hash"] == hash_key(issued["key"])
    assert issued["key"] not in str(dict(row))


async def test_a_revoked_key_is_refused_at_once(site: Site) -> None:
    """The tables do not contain the revocation yet: no projector has run."""
    issued = await issue_api_key(site)
    assert await send(site, issued["key"]) == (200, None)
    assert (await revoke(site, issued["id"])).status_code == 200
    assert await send(site, issued["key"]) == (401, "revoked_key")
    assert (await revoke(site, issued["id"])).status_code == 200
    [listed] = await list_keys(site)
    assert (listed["revoked_by"], listed["revoke_reason"]) == (f"user:{site.admin}", "leaked")


async def test_an_expired_key_is_refused(site: Site) -> None:
    now = datetime.now(UTC)
    expired = await append_api_key(site.world, expires_at=now - timedelta(seconds=1))
    valid = await append_api_key(site.world, expires_at=now + timedelta(hours=1))
    assert await send(site, expired) == (401, "expired_key")
    assert await send(site, valid) == (200, None)
    response = await post_api_key(site, expiresAt="2026-01-01T00:00:00Z")
    assert (response.status_code, response.json()["code"]) == (400, "expiry_in_past")


async def test_a_key_without_the_scope_is_refused(site: Site) -> None:
    key = await append_api_key(site.world, scopes=("tours:read",))
    assert await send(site, key) == (403, "missing_scope")


async def test_another_key_is_refused(site: Site) -> None:
    key = (await issue_api_key(site))["key"]
    other_secret = key[:-1] + ("A" if key[-1] != "A" else "B")
    unknown, no_base64 = "crm_" + "A" * 64, "crm_" + "é" * 64
    for text in ("", key[:-1], key + "A", other_secret, unknown, no_base64, "lk_" + key):
        response = await site.client.get(EVENTS, headers=[(b"X-API-Key", text.encode())])
        assert response.status_code == 401, text
        assert response.json()["code"] == ("bad_key" if text else "no_key"), text


async def test_a_widget_key_is_no_api_key_and_the_reverse(site: Site) -> None:
    assert await send(site, site.key) == (401, "bad_key")
    key = (await issue_api_key(site))["key"]
    response = await site.client.get("/api/lumaleasing/config", headers={"X-API-Key": key})
    assert response.status_code == 404


async def test_a_repeated_request_returns_the_same_key(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = {"Idempotency-Key": "key-1"}
    first, again = await post_api_key(site, once), await post_api_key(site, once)
    assert first.json() == again.json()
    assert len(await list_keys(site)) == 1
    stored = await site.world.pool.fetch("SELECT to_jsonb(c)::text AS row FROM crm.commands c")
    assert first.json()["key"] not in str(stored)
    monkeypatch.setattr(api_keys, "_derive_key", lambda *_: "crm_another")
    refused = await post_api_key(site, once)
    assert (refused.status_code, refused.json()["code"]) == (409, "key_not_shown_again")


async def test_keys_of_another_organisation_are_unknown(site: Site) -> None:
    other = await make_world(site.world.pool)
    key = await append_api_key(other)
    key_id = await site.world.pool.fetchval(
        "SELECT entity_id FROM crm_events WHERE entity_type = 'api_key'"
    )
    assert (await revoke(site, str(key_id))).status_code == 404
    assert (await revoke(site, str(uuid4()))).status_code == 404
    assert await list_keys(site) == []
    assert await send(site, key) == (200, None)
    response = await post_api_key(site, propertyIds=[str(other.properties[0])])
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []}, {"scopes": ["leads:write"]}, {"label": ""}, {"reason": ""},
        {"label": "a\x00"}, {"propertyIds": ["x"]}, {"expiresAt": 1}, {"expiresAt": "tomorrow"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_malformed_request_is_refused(site: Site, body: dict[str, Any]) -> None:
    assert (await post_api_key(site, **body)).status_code == 400


async def test_only_admins_see_keys(site: Site) -> None:
    for profile in (site.viewer, site.manager):
        response = await site.client.get(API_KEYS, headers=site.console_headers(profile))
        assert response.status_code == 403


async def test_requests_of_a_key_are_limited(settings: Settings, pool: asyncpg.Pool) -> None:
    limited = settings.model_copy(update={"limit_api_key": "2/hour", "limit_address": "3/hour"})
    async with open_site(limited, pool) as site:
        first, second = await issue_api_key(site), await issue_api_key(site)
        answers = [await send(site, first["key"]) for _ in range(3)]
        assert answers == [(200, None), (200, None), (429, "rate_limited")]
        assert await send(site, second["key"]) == (200, None)
        unknown = [(await send(site, "crm_" + "A" * 64))[0] for _ in range(4)]
        assert unknown == [401, 401, 401, 429]


async def test_a_key_opens_only_its_properties(site: Site) -> None:
    second = await create_second_property(site.world)
    lead, other = uuid4(), uuid4()
    await site.world.append(
        site.world.new(site.world.captured(lead)),
        site.world.new(site.world.captured(other, email="b@example.com"), property_id=second),
    )
    await site.project()
    narrow = await issue_api_key(site, propertyIds=[str(second)])
    wide = await issue_api_key(site)
    page = await read_events(site, narrow["key"], types="lead.captured")
    assert [UUID(event["leadid"]) for event in page["events"]] == [other]
    page = await read_events(site, narrow["key"])
    assert {event["propertyid"] for event in page["events"]} == {str(second)}
    page = await read_events(site, wide["key"], types="lead.captured")
    assert {UUID(event["leadid"]) for event in page["events"]} == {lead, other}
