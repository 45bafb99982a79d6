"""Events with personal values in clear, as services read them with an API key."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from events.leads import LeadErased, LeadNoted
from services.api.auth.api_clients import ApiClient
from services.api.auth.row_security import read_as
from services.api.reading import CompiledQuery
from services.api.routes import clear_events
from services.application.api_keys import VerifiedApiKey
from tests.events.keys.loaded_keys import forget_keys
from tests.services.api.api_key_requests import (
    append_api_key,
    find_event_id,
    get_event,
    issue_api_key,
    read_events,
)
from tests.services.api.site import Site
from tests.world import World, make_world


async def add_lead(site: Site, **details: Any) -> UUID:
    lead = uuid4()
    details = {"email": f"{lead}@example.com", **details}
    await site.world.append(site.world.new(site.world.captured(lead, **details)))
    return lead


async def read_accounts(world: World) -> list[asyncpg.Record]:
    rows = await world.pool.fetch("SELECT * FROM crm.payload_reads ORDER BY id")
    return list(rows)


async def test_an_event_is_read_in_clear_and_the_read_is_accounted(site: Site) -> None:
    lead = await add_lead(site, first_name="Ada")
    await site.world.number()
    event_id = await find_event_id(site, lead)
    issued = await issue_api_key(site)
    response = await get_event(site, issued["key"], event_id)
    assert response.status_code == 200, response.text
    event = response.json()["event"]
    assert (event["id"], event["type"], event["erased"]) == (
        str(event_id), "lead.captured", False,
    )  # fmt: skip
    assert event["data"]["first_name"] == "Ada"
    assert "sealed" not in event["data"]
    [account] = await read_accounts(site.world)
    assert account["reader"] == f"api_key:{issued['id']}"
    assert (account["org_id"], account["event_ids"]) == (site.world.org_id, [event_id])


async def test_events_without_personal_values_are_not_accounted(site: Site) -> None:
    key = (await issue_api_key(site))["key"]
    await site.world.number()
    page = await read_events(site, key, types="apikey.issued,organization.recorded")
    assert {event["type"] for event in page["events"]} == {"apikey.issued", "organization.recorded"}
    assert await read_accounts(site.world) == []


async def test_a_consumer_reads_on_after_its_position(site: Site) -> None:
    key = (await issue_api_key(site))["key"]
    leads = [await add_lead(site) for _ in range(5)]
    await site.world.number()
    found: list[UUID] = []
    after, pages = "0", 0
    while True:
        page = await read_events(site, key, after=after, types="lead.captured", limit=2)
        found += [UUID(event["leadid"]) for event in page["events"]]
        after, pages = page["next"], pages + 1
        if not page["hasMore"]:
            break
    assert (found, pages) == (leads, 3)
    page = await read_events(site, key, after=after)
    assert (page["events"], page["next"], page["hasMore"]) == ([], after, False)
    later = await add_lead(site)
    await site.world.number()
    page = await read_events(site, key, after=after)
    assert [UUID(event["leadid"]) for event in page["events"]] == [later]


async def test_a_page_without_events_moves_the_position_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clear_events, "SCANNED_POSITIONS", 3)
    other = await make_world(site.world.pool)
    for _ in range(8):
        await other.append(other.new(other.captured(email=f"{uuid4()}@example.com")))
    lead = await add_lead(site)
    await site.world.number()
    key = await append_api_key(site.world)
    found: list[dict[str, Any]] = []
    after, requests = "0", 0
    while not found:
        page = await read_events(site, key, after=after, types="lead.captured")
        assert int(page["next"]) > int(after)
        found, after, requests = page["events"], page["next"], requests + 1
    assert UUID(found[0]["leadid"]) == lead
    assert requests > 2


async def test_a_key_of_another_organisation_sees_nothing(site: Site) -> None:
    lead = await add_lead(site)
    other = await make_world(site.world.pool)
    await site.world.number()
    key = await append_api_key(other)
    page = await read_events(site, key)
    assert {event["orgid"] for event in page["events"]} == {str(other.org_id)}
    response = await get_event(site, key, await find_event_id(site, lead))
    unknown = await get_event(site, key, uuid4())
    assert (response.status_code, response.json()) == (404, unknown.json())
    assert await read_accounts(site.world) == []


async def test_an_erased_person_has_erased_values(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await add_lead(site, first_name="Ada")
    await site.world.append(site.world.new(LeadNoted(lead_id=lead, note="likes 4B")))
    await site.world.append(site.world.new(LeadErased(lead_id=lead, reason="request")))
    await site.world.number()
    forget_keys(monkeypatch)
    key = (await issue_api_key(site))["key"]
    page = await read_events(site, key, types="lead.captured,lead.noted")
    assert [event["erased"] for event in page["events"]] == [True, True]
    captured, noted = (event["data"] for event in page["events"])
    assert (captured["first_name"], captured["source"]) == (None, "Google")
    assert noted["note"] == "[erased]"
    assert await read_accounts(site.world) == []


async def test_a_missing_data_key_is_no_erasure(
    site: Site, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable, lost = await add_lead(site), await add_lead(site)
    after_it = await add_lead(site)
    await site.world.number()
    await owner_pool.execute("DELETE FROM crm_keys.data_keys WHERE subject_id = $1", lost)
    forget_keys(monkeypatch)
    key = (await issue_api_key(site))["key"]
    page = await read_events(site, key, types="lead.captured")
    assert [UUID(event["leadid"]) for event in page["events"]] == [readable]
    assert page["hasMore"] is True
    response = await site.client.get(
        "/api/events", params={"after": page["next"]}, headers={"X-API-Key": key}
    )
    problem = response.json()
    assert (response.status_code, problem["code"]) == (503, "data_key_missing")
    assert str(await find_event_id(site, lost)) in problem["error"]
    response = await get_event(site, key, await find_event_id(site, lost))
    assert (response.status_code, response.json()["code"]) == (503, "data_key_missing")
    response = await get_event(site, key, await find_event_id(site, after_it))
    assert response.status_code == 200


async def test_an_event_that_cannot_be_read_says_why(site: Site, owner_pool: asyncpg.Pool) -> None:
    """A value that was moved from another event is not shown, and does not stop a consumer."""
    first, second = await add_lead(site), await add_lead(site)
    await site.world.number()
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("ALTER TABLE crm_events DISABLE TRIGGER USER")
        await conn.execute(
            "UPDATE crm_events SET payload = (SELECT payload FROM crm_events WHERE entity_id = $1 "
            "AND event_type = 'lead.captured') WHERE entity_id = $2 "
            "AND event_type = 'lead.captured'",
            first,
            second,
        )
        await conn.execute("ALTER TABLE crm_events ENABLE ALWAYS TRIGGER crm_events_numbered_once")
    key = (await issue_api_key(site))["key"]
    page = await read_events(site, key, types="lead.captured")
    readable, unreadable = page["events"]
    assert readable["data"]["lead_id"] == str(first)
    assert unreadable["data"] is None
    assert "changed" in unreadable["unreadable"]


@pytest.mark.parametrize(
    "query",
    [{"after": "-1"}, {"after": "x"}, {"after": str(2**63)}, {"limit": "0"}, {"limit": "101"},
     {"types": "DROP TABLE"}, {"types": "lead.captured,"}],
    ids=str,
)  # fmt: skip
async def test_a_malformed_query_is_refused(site: Site, query: dict[str, str]) -> None:
    key = (await issue_api_key(site))["key"]
    response = await site.client.get("/api/events", params=query, headers={"X-API-Key": key})
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


async def test_a_position_beyond_the_log_is_kept(site: Site) -> None:
    key = (await issue_api_key(site))["key"]
    page = await read_events(site, key, after=2**63 - 1, types="")
    assert (page["events"], page["next"], page["hasMore"]) == ([], str(2**63 - 1), False)


async def test_the_database_shows_a_key_only_its_rows(site: Site, engine: AsyncEngine) -> None:
    await add_lead(site)
    await site.world.number()
    org_id, property_id = site.world.org_id, site.property_id
    nobody, count = uuid4(), "SELECT count(*) FROM crm_api.key_events"

    async def visible(org: UUID, *properties: UUID) -> int:
        client = ApiClient(VerifiedApiKey(uuid4(), org, frozenset(), properties))
        async with read_as(site.world.pool, client.claims) as conn:
            return int(await conn.scalar(CompiledQuery(count)))

    everything = await visible(org_id)
    assert 0 < await visible(org_id, property_id) < everything
    assert await visible(org_id, nobody) == await visible(nobody) == 0
    for claims in (
        '{"role": "authenticated"}',
        f'{{"role": "authenticated", "api_key_org_id": "{org_id}"}}',
        f'{{"role": "authenticated", "api_key_org_id": "{org_id}", "api_key_property_ids": "x"}}',
        f'{{"role": "anon", "api_key_org_id": "{org_id}", "api_key_property_ids": "all"}}',
        "",
    ):
        async with engine.begin() as conn:
            await conn.execute(
                text("SELECT set_config('role', 'authenticated', true), "
                     "set_config('request.jwt.claims', :claims, true)"), {"claims": claims}
            )  # fmt: skip
            assert await conn.scalar(text(count)) == 0, claims
    async with engine.begin() as conn:
        await conn.execute(text("SET LOCAL ROLE anon"))
        with pytest.raises(DBAPIError, match="permission denied"):
            await conn.execute(text(count))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE crm.payload_reads SET reader = 'x'", "DELETE FROM crm.payload_reads",
     "TRUNCATE crm.payload_reads"],
)  # fmt: skip
async def test_new_accounts_of_reads_are_never_changed(
    site: Site, owner_pool: asyncpg.Pool, statement: str
) -> None:
    await site.world.pool.execute(
        "INSERT INTO crm.payload_reads (org_id, reader, event_ids) "
        "VALUES ($1::uuid, 'x', ARRAY[$1::uuid])",
        site.world.org_id,
    )
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
        await site.world.pool.execute(statement)
    with pytest.raises(asyncpg.RestrictViolationError, match=r"append-only|for 365 days"):
        await owner_pool.execute(statement)


async def test_nothing_is_sent_that_could_not_be_accounted(
    site: Site, owner_pool: asyncpg.Pool
) -> None:
    lead = await add_lead(site, first_name="Ada")
    await site.world.number()
    key = (await issue_api_key(site))["key"]
    await owner_pool.execute("REVOKE INSERT ON crm.payload_reads FROM service_role")
    response = await get_event(site, key, await find_event_id(site, lead))
    assert response.status_code == 500
    assert "Ada" not in response.text
