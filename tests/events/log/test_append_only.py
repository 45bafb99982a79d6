"""The log is append-only, against its owner and against replication too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from events.log.connection import Connection
from tests.world import World, make_world

CHANGES = {
    "a payload": "UPDATE crm_events SET payload = '{}'",
    "an instant": "UPDATE crm_events SET occurred_at = now()",
    "a number again": "UPDATE crm_events SET position = position + 1000",
    "a number back": "UPDATE crm_events SET position = NULL, previous = NULL",
    "a deletion": "DELETE FROM crm_events",
    "a deletion of nothing": "DELETE FROM crm_events WHERE false",
    "a truncation": "TRUNCATE crm_events",
    "a row born numbered": """
        INSERT INTO crm_events (id, entity_type, entity_id, version, shard, position, previous,
          event_type, schema_version, org_id, occurred_at, payload, digest, actor, origin)
        VALUES (gen_random_uuid(), 'lead', gen_random_uuid(), 1, 0, 99, 0, 'lead.noted', 1,
          gen_random_uuid(), now(), '{}', '', 'me', 'live')""",
}


@asynccontextmanager
async def undone(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """A transaction that is rolled back."""
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            yield conn
        finally:
            await transaction.rollback()


@pytest.fixture
async def numbered(pool: asyncpg.Pool) -> World:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    await world.number()
    return world


@pytest.mark.parametrize("role", ["origin", "replica"])
async def test_its_owner_cannot_change_it(numbered: World, pool: asyncpg.Pool, role: str) -> None:
    async with pool.acquire() as conn:
        owner = "SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'crm_events'"
        assert await conn.fetchval(owner)
    for statement in CHANGES.values():
        async with undone(pool) as conn:
            await conn.execute(f"SET LOCAL session_replication_role = '{role}'")
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await conn.execute(statement)


async def test_without_the_triggers_it_could(numbered: World, pool: asyncpg.Pool) -> None:
    for statement in CHANGES.values():
        async with undone(pool) as conn:
            await conn.execute("ALTER TABLE crm_events DISABLE TRIGGER ALL")
            await conn.execute(statement)


async def test_a_number_is_set_once_and_nothing_beside_it(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    async with undone(pool) as conn:
        with pytest.raises(asyncpg.RestrictViolationError):
            await conn.execute("UPDATE crm_events SET position = seq, previous = 0, actor = 'me'")
    async with undone(pool) as conn:
        await conn.execute("UPDATE crm_events SET position = seq, previous = 0")
