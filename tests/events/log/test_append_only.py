"""The log is append-only, also for the owner of its table and during replication."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from events.log.connection import Connection
from tests.world import World, make_world

CHANGES = {
    "a payload": "UPDATE crm_events SET payload = '{}'",
    "a time": "UPDATE crm_events SET occurred_at = now()",
    "a position changed": "UPDATE crm_events SET position = position + 1000",
    "a position removed": "UPDATE crm_events SET position = NULL, previous = NULL",
    "a deletion": "DELETE FROM crm_events",
    "a deletion without rows": "DELETE FROM crm_events WHERE false",
    "a truncation": "TRUNCATE crm_events",
    "a new row with a position": """
        INSERT INTO crm_events (id, entity_type, entity_id, version, shard, position, previous,
          event_type, schema_version, org_id, occurred_at, payload, digest, actor, origin)
        VALUES (gen_random_uuid(), 'lead', gen_random_uuid(), 1, 0, 99, 0, 'lead.noted', 1,
          gen_random_uuid(), now(), '{}', '', 'me', 'live')""",
}


@asynccontextmanager
async def rolled_back(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Open a transaction that is rolled back at the end."""
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            yield conn
        finally:
            await transaction.rollback()


@pytest.fixture
async def world(owner_pool: asyncpg.Pool) -> World:
    """Create a log with events that have positions, with connections of its owner."""
    world = await make_world(owner_pool)
    await world.append(world.new(world.captured()))
    await world.number()
    return world


@pytest.mark.parametrize("role", ["origin", "replica"])
async def test_the_owner_of_the_table_cannot_change_it(
    world: World, owner_pool: asyncpg.Pool, role: str
) -> None:
    async with owner_pool.acquire() as conn:
        owner = "SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'crm_events'"
        assert await conn.fetchval(owner)
    for statement in CHANGES.values():
        async with rolled_back(owner_pool) as conn:
            await conn.execute(f"SET LOCAL session_replication_role = '{role}'")
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await conn.execute(statement)


async def test_without_the_triggers_the_owner_could_change_it(
    world: World, owner_pool: asyncpg.Pool
) -> None:
    for statement in CHANGES.values():
        async with rolled_back(owner_pool) as conn:
            await conn.execute("ALTER TABLE crm_events DISABLE TRIGGER ALL")
            await conn.execute(statement)


async def test_a_position_can_be_set_once_and_nothing_else_with_it(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    async with rolled_back(pool) as conn:
        with pytest.raises(asyncpg.RestrictViolationError):
            await conn.execute("UPDATE crm_events SET position = seq, previous = 0, actor = 'me'")
    async with rolled_back(pool) as conn:
        await conn.execute("UPDATE crm_events SET position = seq, previous = 0")
