"""Staged changes: appended once and in order, before every later append to their property."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from events.event import Event
from events.leads import LeadUpdated
from events.log import read
from events.log.append import append, append_staged
from events.record import RecordedEvent, Stream
from tests.conftest import until
from tests.world import World, make_world

RENAME = "UPDATE properties SET name = $2 WHERE id = $1"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


async def rename(world: World, *names: str) -> None:
    """Rename the first property, as the host does, in one transaction each."""
    async with world.pool.acquire() as conn:
        for name in names:
            await conn.execute(RENAME, world.properties[0], name)


async def history(world: World, stream: Stream) -> list[RecordedEvent]:
    async with world.pool.acquire() as conn:
        return await read.streams(conn, [stream])


async def names(world: World) -> list[str]:
    """Return the names of the first property in the order of its events."""
    recorded_events = await history(world, Stream("property", world.properties[0]))
    return [recorded.event.display_name for recorded in recorded_events]  # type: ignore[union-attr]


async def stage(world: World, payload: dict[str, object], lead: UUID) -> None:
    """Stage an event of a lead, as a database trigger does."""
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO crm.staged_changes (id, entity_type, entity_id, event_type, "
            "schema_version, org_id, property_id, occurred_at, payload, actor, origin) "
            "VALUES ($1, 'lead', $2, 'lead.updated', 2, $3, $4, now(), $5, 'host', 'live')",
            uuid4(), lead, world.org_id, world.properties[0], {"lead_id": str(lead), **payload},
        )  # fmt: skip


async def test_a_change_is_appended_and_its_row_deleted_in_one_transaction(world: World) -> None:
    await rename(world, "Elm", "Oak")
    async with world.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        assert await append_staged(conn) == 2
        await transaction.rollback()  # as if the process was killed before the commit
    assert await names(world) == ["Alder 0"]
    assert await world.count("crm.staged_changes") == 2
    await world.append_staged()
    assert await names(world) == ["Alder 0", "Elm", "Oak"]
    assert await world.count("crm.staged_changes") == 0


async def test_an_append_to_the_property_comes_after_the_changes_of_the_host(world: World) -> None:
    await rename(world, "Elm")
    lead = world.new(world.captured())
    await world.append(world.new(world.captured(email=None), property_id=world.properties[1]))
    assert await names(world) == ["Alder 0"], "another property waits for nothing"
    await world.append(lead)
    assert await names(world) == ["Alder 0", "Elm"]
    async with world.pool.acquire() as conn:
        order = await conn.fetch(
            "SELECT entity_type FROM crm_events WHERE property_id = $1 ORDER BY seq",
            world.properties[0],
        )
    assert [row["entity_type"] for row in order] == ["property", "property", "lead"]


async def test_an_expected_version_counts_the_changes_of_the_host(world: World) -> None:
    lead = world.captured()
    await world.append(world.new(lead))
    await stage(world, {"notes": "called"}, lead.lead_id)
    update: Event = LeadUpdated(lead_id=lead.lead_id, bedrooms="2")
    stream = Stream("lead", lead.lead_id)
    async with world.pool.acquire() as conn, conn.transaction():
        with pytest.raises(Exception, match="is at version 2, not 1"):
            await append(conn, [world.new(update)], expected={stream: 1})
    await world.append(world.new(update), expected={stream: 1 + 1})
    assert [recorded.actor for recorded in await history(world, stream)] == ["test", "host", "test"]


async def test_a_second_transaction_waits_and_appends_what_is_left(world: World) -> None:
    await rename(world, "Elm")
    async with world.pool.acquire() as first, world.pool.acquire() as second:
        transaction = first.transaction()
        await transaction.start()
        await append_staged(first)
        await rename(world, "Oak")

        async def move() -> int:
            async with second.transaction():
                return await append_staged(second, [world.properties[0]])

        moving = asyncio.create_task(move())
        waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
        await until(lambda: first.fetchval(waiting))
        await transaction.commit()
        assert await moving == 1
    assert await names(world) == ["Alder 0", "Elm", "Oak"]


async def test_an_address_that_another_lead_has_is_no_reason_to_refuse(world: World) -> None:
    first, second = world.captured(email="a@example.com"), world.captured(email="b@example.com")
    await world.append(world.new(first), world.new(second))
    await stage(world, {"email": "a@example.com", "email_key": "a@example.com"}, second.lead_id)
    await world.append_staged()
    async with world.pool.acquire() as conn:
        owners = await conn.fetch("SELECT owner FROM crm.claims WHERE kind = 'lead.email'")
    assert [row["owner"] for row in owners] == [first.lead_id]
    assert len(await history(world, Stream("lead", second.lead_id))) == 2


async def test_a_change_that_the_log_has_already_is_deleted(world: World) -> None:
    """Two transactions that adopt one row can stage it one after the other."""
    lead = world.new(world.captured())
    await world.append(lead)
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO crm.staged_changes (id, entity_type, entity_id, event_type, "
            "schema_version, org_id, property_id, occurred_at, payload, actor, origin) "
            "VALUES ($1, 'lead', $2, 'lead.adopted', 2, $3, $4, now(), $5, 'host', 'live')",
            lead.id, lead.event.stream_id, world.org_id, world.properties[0],
            orjson.loads(lead.event.model_dump_json()),
        )  # fmt: skip
    await world.append_staged()
    assert await world.count("crm.staged_changes") == 0
    assert len(await history(world, lead.stream)) == 1


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize("privilege", ["SELECT", "INSERT", "UPDATE", "DELETE"])
async def test_a_client_has_no_access_to_staged_changes(
    owner_pool: asyncpg.Pool, role: str, privilege: str
) -> None:
    query = "SELECT has_table_privilege($1, 'crm.staged_changes', $2)"
    assert not await owner_pool.fetchval(query, role, privilege)


async def test_a_row_that_is_too_large_for_an_event_is_refused(world: World) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="too large for an event"):
        await rename(world, "x" * 300_000)
