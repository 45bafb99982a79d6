"""Hashes of personal texts that are older than the key store: the next start keys them."""

import hashlib
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.claims import slug_value
from events.consents import ConsentChannel
from events.log.connection import Connection
from events.record import Cause
from services.application.command_handler import transact
from services.application.contact_opt_outs import load_contact_opt_out, store_contact_decision
from services.application.leads import find_contact_owners
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.runtime.keys import prepare_keys
from tests.world import World, make_world

ADA, NUMBER = "ada@example.com", "+12125550177"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


def unkeyed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:40]


async def find_owner(world: World) -> UUID | None:
    async def work(uow: UnitOfWork) -> UUID | None:
        return (await find_contact_owners(uow, ADA, None)).email

    scope = Scope(world.org_id, world.properties[0], world.tick(), Cause("test"))
    return (await transact(world.pool, scope, work)).result


async def is_opted_out(world: World, conn: Connection) -> bool:
    return bool(await load_contact_opt_out(conn, world.org_id, ConsentChannel.SMS, NUMBER))


async def store_unkeyed(world: World, conn: Connection) -> None:
    """Replace the hashes of Ada's address and number by what was stored without a key."""
    await conn.execute("UPDATE crm.claims SET value = $1 WHERE kind = 'lead.email'", unkeyed(ADA))
    await conn.execute("UPDATE crm.contact_opt_outs SET contact = $1", unkeyed(NUMBER))


async def store_opt_out(world: World, conn: Connection, *, given: bool = False) -> None:
    await store_contact_decision(
        conn, world.org_id, ConsentChannel.SMS, NUMBER, given, world.tick(), None
    )


async def test_a_start_keys_the_hashes_without_a_key(world: World) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead, email=ADA)))
    async with world.pool.acquire() as conn:
        await store_opt_out(world, conn)
        before = (
            await conn.fetch("TABLE crm.claims"),
            await conn.fetch("TABLE crm.contact_opt_outs"),
        )
        await store_unkeyed(world, conn)
        assert await find_owner(world) is None
        assert not await is_opted_out(world, conn)
        for _ in range(2):
            await prepare_keys(conn)  # type: ignore[arg-type]
            assert before == (
                await conn.fetch("TABLE crm.claims"),
                await conn.fetch("TABLE crm.contact_opt_outs"),
            )
        assert await find_owner(world) == lead
        assert await is_opted_out(world, conn)


async def test_a_row_with_the_keyed_hash_stays(world: World) -> None:
    async with world.pool.acquire() as conn:
        await store_opt_out(world, conn)
        await store_unkeyed(world, conn)
        await store_opt_out(world, conn, given=True)
        await prepare_keys(conn)  # type: ignore[arg-type]
        assert await conn.fetchval("SELECT count(*) FROM crm.contact_opt_outs") == 1
        assert not await is_opted_out(world, conn)


async def test_a_slug_has_no_key(world: World) -> None:
    async with world.pool.acquire() as conn:
        await conn.execute(
            "INSERT INTO crm.claims (kind, scope, value, owner) "
            "VALUES ('template.slug', $1, $2, $1)",
            world.properties[0],
            slug_value("welcome"),
        )
        await prepare_keys(conn)  # type: ignore[arg-type]
        assert await conn.fetchval("SELECT value FROM crm.claims") == unkeyed("welcome")
