"""Rows of the host that adoption leaves out: no route shows them until the host corrects them."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg

from projections.catalog import LIVE
from projections.engine.batch import WriterIdentity
from projections.engine.retry import retry_parked
from tests.services.api.site import Site


async def insert_left_out(site: Site, owner_pool: asyncpg.Pool) -> tuple[UUID, UUID]:
    """Insert a lead with a status that no event can have, its conversation and two messages."""
    lead, conversation = uuid4(), uuid4()
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT crm.open_adoption()")
        await conn.execute("SET LOCAL crm.engine = 'on'")  # as if it had been there before
        await conn.execute(
            "INSERT INTO leads (id, property_id, status, first_name, source) "
            "VALUES ($1, $2, 'prospect', 'Grace', 'Fax')",
            lead, site.property_id,
        )  # fmt: skip
        await conn.execute(
            "INSERT INTO conversations (id, lead_id, property_id) VALUES ($1, $2, $3)",
            conversation, lead, site.property_id,
        )  # fmt: skip
        await conn.execute(
            "INSERT INTO messages (conversation_id, role, content) VALUES ($1, 'user', 'hello'), "
            "($1, 'assistant', 'hi')",
            conversation,
        )
    return lead, conversation


async def read_routes(site: Site, lead: UUID, conversation: UUID) -> dict[str, Any]:
    """Return what each route answers about a lead and its conversation, without their ids."""
    answers: dict[str, Any] = {}
    for path in (
        f"/api/leads?propertyId={site.property_id}",
        f"/api/leads?propertyId={site.property_id}&search=Grace",
        f"/api/leads?propertyId={site.property_id}&sortBy=first_name",
        f"/api/conversations?propertyId={site.property_id}",
        f"/api/conversations?propertyId={site.property_id}&leadId={lead}",
        f"/api/conversations?propertyId={site.property_id}&conversationId={conversation}",
        f"/api/lumaleasing/admin/conversations?propertyId={site.property_id}",
        f"/api/leads/{lead}/activities",
        f"/api/leads/{lead}/timeline",
        f"/api/leads/{lead}/tours",
        f"/api/leadpulse/events?leadId={lead}",
        f"/api/leadpulse/score?leadId={lead}",
    ):
        response = await site.client.get(path, headers=site.console_headers(site.admin))
        answers[path] = (response.status_code, response.text)
    body = {"leadId": str(lead), "notes": "x"}
    response = await site.client.patch("/api/leads", json=body, headers=site.console_headers())
    answers["change"] = (response.status_code, response.text)
    ids = {str(lead): "lead", str(conversation): "conversation"}
    return {_without(path, ids): (status, _without(text, ids))
            for path, (status, text) in answers.items()}  # fmt: skip


def _without(text: str, ids: dict[str, str]) -> str:
    for key, word in ids.items():
        text = text.replace(key, word)
    return text


async def test_a_lead_that_is_left_out_looks_the_same_on_every_route(
    site: Site, owner_pool: asyncpg.Pool
) -> None:
    lead, conversation = await insert_left_out(site, owner_pool)
    await site.project()
    assert await read_routes(site, lead, conversation) == await read_routes(site, uuid4(), uuid4())
    leads = await site.client.get(
        f"/api/leads?propertyId={site.property_id}", headers=site.console_headers()
    )
    assert leads.json()["pagination"]["total"] == 0
    assert leads.json()["filters"] == {"sources": [], "statuses": []}


async def test_conversations_follow_a_lead_that_the_host_corrects(
    site: Site, owner_pool: asyncpg.Pool
) -> None:
    lead, conversation = await insert_left_out(site, owner_pool)
    await owner_pool.execute("UPDATE leads SET status = 'contacted' WHERE id = $1", lead)
    await site.project()
    answers = await read_routes(site, lead, conversation)
    assert {status for status, _ in answers.values()} == {200}
    [shown] = [text for path, (_, text) in answers.items() if "conversationId=" in path]
    assert '"hello"' in shown
    assert '"hi"' in shown


async def test_messages_follow_a_conversation_that_the_host_corrects(
    site: Site, owner_pool: asyncpg.Pool
) -> None:
    lead, conversation = await insert_left_out(site, owner_pool)
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        await conn.execute("UPDATE conversations SET channel = 'pigeon'")
    await owner_pool.execute("UPDATE leads SET status = 'contacted' WHERE id = $1", lead)
    await site.world.append_staged()
    count = "SELECT count(*) FROM crm_events WHERE entity_type = 'conversation'"
    assert await owner_pool.fetchval(count) == 0
    await owner_pool.execute("UPDATE conversations SET channel = 'sms' WHERE id = $1", conversation)
    await site.world.append_staged()
    assert await owner_pool.fetchval(count) == 3


async def test_a_message_without_a_role_is_left_out(site: Site, owner_pool: asyncpg.Pool) -> None:
    await insert_left_out(site, owner_pool)
    await owner_pool.execute("ALTER TABLE messages ALTER COLUMN role DROP NOT NULL")
    why = await owner_pool.fetchval(
        "SELECT crm.unsayable_message(ROW(m.*)::messages) FROM messages m "
        "WHERE false UNION ALL SELECT crm.unsayable_message("
        'jsonb_populate_record(NULL::messages, \'{"content": "x"}\'))'
    )
    assert why == "role is empty"


async def test_a_change_whose_row_waits_for_a_parked_event_is_202(
    site: Site, owner_pool: asyncpg.Pool
) -> None:
    # No check of the core finds this one before the event is appended.
    await owner_pool.execute("ALTER TABLE leads ADD CONSTRAINT no_ada CHECK (first_name <> 'Ada')")
    created = await site.client.post(
        "/api/leads", headers=site.console_headers(),
        json={"propertyId": str(site.property_id), "firstName": "Ada"},
    )  # fmt: skip
    lead = created.json()["lead"]["id"]
    await site.world.project()

    async def change(notes: str) -> tuple[int, dict[str, object]]:
        response = await site.client.patch(
            "/api/leads", json={"leadId": lead, "notes": notes}, headers=site.console_headers()
        )
        return response.status_code, response.json()

    status, body = await change("call")
    event = await owner_pool.fetchval("SELECT event_id FROM crm.parked WHERE NOT behind")
    assert (status, body["waitsFor"]) == (202, {"eventId": str(event), "reason": "database"}), body
    await owner_pool.execute("ALTER TABLE leads DROP CONSTRAINT no_ada")
    await site.world.project()
    shard = await owner_pool.fetchval("SELECT shard FROM crm.parked LIMIT 1")
    await retry_parked(site.world.pool, WriterIdentity(LIVE, 1), shard)
    assert await owner_pool.fetchval("SELECT notes FROM leads") == "call"
    status, body = await change("call again")
    assert status == 200
    assert "waitsFor" not in body
