"""An id of another tenant is answered like an unknown id, and nobody can take an id of another."""

import asyncio
import base64
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.ids import is_reserved, scoped_id
from events.log import sequencer
from events.log.token import Token
from services.runtime.settings import Settings
from tests.security.id_requests import REQUESTS, TwoTenants, comparable, make_tenants, send
from tests.services.api.site import (
    CHAT,
    WIDGET_LEAD,
    Site,
    create_widget,
    open_site,
)
from tests.world import make_world


@pytest.fixture
async def site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    async with open_site(settings, pool) as own:
        yield own


@pytest.fixture
async def tenants(site: Site) -> TwoTenants:
    return await make_tenants(site)


async def test_a_foreign_id_is_answered_like_an_unknown_one(tenants: TwoTenants) -> None:
    """Send each request of the document that carries an id, with a random and a foreign id."""
    differences = []
    for request in REQUESTS:
        foreign_id, random_id = tenants.foreign_ids.get(request.example_id), str(uuid4())
        assert foreign_id is not None, request.name
        responses = [await send(tenants, request, key) for key in (random_id, foreign_id)]
        unknown, foreign = (
            comparable(response, key)
            for response, key in zip(responses, (random_id, foreign_id), strict=True)
        )
        if unknown != foreign:
            differences.append((request.name, unknown, foreign))
    assert len(REQUESTS) >= 60
    assert not differences, f"{len(differences)} of {len(REQUESTS)}:\n" + "\n".join(
        f"{name}\n  unknown {unknown}\n  foreign {foreign}"
        for name, unknown, foreign in differences
    )


async def test_the_requests_reach_the_callers_own_entities(tenants: TwoTenants) -> None:
    """Show that the test above compares something: with the own id most requests succeed."""
    statuses = [
        (await send(tenants, request, tenants.own_ids[request.example_id])).status_code
        for request in REQUESTS
    ]
    assert sum(status < 300 for status in statuses) > len(REQUESTS) / 2, statuses


def widget_headers(key: str, visitor: str = "v_1") -> dict[str, str]:
    return {"X-API-Key": key, "X-Visitor-ID": visitor}


async def test_a_forged_consistency_token_tells_nothing_about_a_foreign_event(
    site: Site, tenants: TwoTenants
) -> None:
    """Only tokens that the core issued are read, so an event id is never looked up."""
    async with site.world.pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        foreign = await conn.fetchrow(
            "SELECT id, shard FROM crm_events WHERE org_id <> $1 LIMIT 1", site.world.org_id
        )
    assert foreign is not None
    answers = []
    for event_id in (foreign["id"], uuid4()):
        token = str(Token(state.generation, foreign["shard"], event_id))
        for text in (token, base64.urlsafe_b64encode(token.encode()).decode()):
            response = await site.client.get(
                "/api/leads", params={"propertyId": str(site.property_id)},
                headers=site.console_headers(more={"X-CRM-Token": text}),
            )  # fmt: skip
            answers.append((response.status_code, response.text.replace(text, "")))
    assert answers[:2] == answers[2:]
    assert {status for status, _ in answers} == {400}


async def test_a_visitor_cannot_take_ids_that_another_tenant_will_use(site: Site) -> None:
    """The second tenant uses all ids that a visitor of the first one used before it."""
    world = await make_world(site.world.pool)
    key = await create_widget(world)
    ids = {"sessionId": str(uuid4()), "conversationId": str(uuid4()), "messageId": str(uuid4())}
    await site.send_chat("mine", **ids)
    turns = []
    for _ in range(2):
        response = await site.client.post(
            CHAT, json={"message": "yours", **ids}, headers=widget_headers(key)
        )
        assert response.status_code == 200, response.text
        turns.append(response.json())
    for turn in turns:
        assert turn["content"] == "Echo: yours"
        assert {name: turn[name] for name in ("sessionId", "conversationId")} == {
            name: ids[name] for name in ("sessionId", "conversationId")
        }
    await site.project()
    for headers, text in ((widget_headers(key), "yours"), (site.widget_headers(), "mine")):
        response = await site.client.get(
            CHAT, params={"sessionId": ids["sessionId"]}, headers=headers
        )
        body = response.json()
        assert [message["content"] for message in body["messages"]] == [text, f"Echo: {text}"]
        assert body["messages"][0]["id"] == ids["messageId"]
        assert body["conversationId"] == ids["conversationId"]
        assert {message["conversationId"] for message in body["messages"]} == {
            ids["conversationId"]
        }
        after = await site.client.get(
            CHAT, params={"sessionId": ids["sessionId"], "after": ids["messageId"]}, headers=headers
        )
        assert [message["content"] for message in after.json()["messages"]] == [f"Echo: {text}"]


async def test_a_conversation_continues_by_its_own_id_alone(site: Site) -> None:
    """The response names the session as the client knows it, also where it is stored otherwise."""
    world = await make_world(site.world.pool)
    key = await create_widget(world)
    ids = {"sessionId": str(uuid4()), "conversationId": str(uuid4())}
    await site.send_chat("mine", **ids)
    for body in (ids, {"conversationId": ids["conversationId"]}):
        response = await site.client.post(
            CHAT, json={"message": "hi", **body}, headers=widget_headers(key)
        )
        assert response.json()["sessionId"] == ids["sessionId"], response.text


async def test_a_lead_is_linked_to_a_session_with_an_id_of_another_tenant(site: Site) -> None:
    world = await make_world(site.world.pool)
    key = await create_widget(world)
    ids = {"sessionId": str(uuid4()), "conversationId": str(uuid4())}
    await site.send_chat("mine", **ids)
    await site.client.post(CHAT, json={"message": "hi", **ids}, headers=widget_headers(key))
    response = await site.client.post(
        WIDGET_LEAD, json={"email": "eve@example.com", **ids}, headers=widget_headers(key)
    )
    assert response.status_code == 200, response.text
    await site.project()
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT s.property_id, s.id, c.lead_id IS NOT NULL AS linked FROM widget_sessions s "
            "JOIN conversations c ON c.widget_session_id = s.id"
        )
    linked = {row["property_id"]: row["linked"] for row in rows}
    assert linked == {site.property_id: False, world.properties[0]: True}
    stored = {row["property_id"]: row["id"] for row in rows}
    assert stored[site.property_id] == UUID(ids["sessionId"])
    assert is_reserved(stored[world.properties[0]])


async def test_a_reserved_id_is_stored_only_in_the_property_that_derives_it(site: Site) -> None:
    """A tenant that computes the id which another will derive cannot store it."""
    world = await make_world(site.world.pool)
    key, session = await create_widget(world), uuid4()
    derived = scoped_id(world.properties[0], "session", session)
    await site.send_chat("mine", sessionId=str(derived))
    await site.send_chat("mine", sessionId=str(session))
    response = await site.client.post(
        CHAT, json={"message": "hi", "sessionId": str(session)}, headers=widget_headers(key)
    )
    assert response.status_code == 200, response.text
    async with site.world.pool.acquire() as conn:
        owner = await conn.fetchval(
            "SELECT property_id FROM crm_events WHERE entity_id = $1 AND version = 1", derived
        )
    assert owner == world.properties[0]


async def test_two_tenants_that_use_one_id_at_once_both_succeed(site: Site) -> None:
    tenants = [await make_world(site.world.pool) for _ in range(4)]
    keys = [await create_widget(world) for world in tenants]
    for _ in range(5):
        ids = {name: str(uuid4()) for name in ("sessionId", "conversationId", "messageId")}
        responses = await asyncio.gather(
            *(
                site.client.post(
                    CHAT, json={"message": f"hi {key}", **ids}, headers=widget_headers(key)
                )
                for key in keys
            )
        )
        assert [response.status_code for response in responses] == [200] * len(keys)
    await site.project()
