"""Attacks on appends through locks: what a client's role can lock delays nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from events.log import locks
from events.log.append import append
from events.record import Stream
from projections.engine.rebuild import REBUILD, VERIFY
from services.adoption.adoption import ADOPTION_LOCK
from services.relay.staged_changes import STAGED_LOCK
from services.retention.retention_events import RETENTION_LOCK
from services.runtime.settings import Settings
from tests.conftest import until
from tests.world import World, make_world

APPEND_SECONDS = 5
CLIENT_ROLES = ("anon", "authenticated")
HELD_LOCKS = """
SELECT DISTINCT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND pid <> pg_backend_pid()"""


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@asynccontextmanager
async def connect_as(settings: Settings, role: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect as a client that runs any SQL with its role."""
    conn = await asyncpg.connect(settings.dsn, server_settings={"role": role})
    try:
        yield conn
    finally:
        await conn.close()


async def take_advisory_locks(
    attacker: asyncpg.Connection, world: World, stream: Stream, held: list[int]
) -> None:
    """Take what an append used to take: the locks of its stream and its property, and held ones."""
    for kind, key in (tuple(stream), ("order", world.properties[0])):
        name = f"{kind}:{key}"
        await attacker.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", name)
        await attacker.execute("SELECT pg_advisory_lock(hashtext($1))", name)
    for lock in held:
        await attacker.execute("SELECT pg_advisory_lock($1::bigint)", lock)


@pytest.mark.parametrize("role", CLIENT_ROLES)
async def test_advisory_locks_of_a_client_delay_no_append(
    world: World, settings: Settings, role: str
) -> None:
    lead = world.new(world.captured())
    async with connect_as(settings, role) as attacker:
        async with world.pool.acquire() as conn, conn.transaction():
            await append(conn, [lead], expected={})
            held = [row["key"] for row in await attacker.fetch(HELD_LOCKS)]
        assert held == [], "an append holds locks that a client sees and can take"
        await take_advisory_locks(attacker, world, lead.stream, held)
        again = world.new(world.captured(lead.event.stream_id))
        await asyncio.wait_for(world.append(again), APPEND_SECONDS)
        change = "UPDATE organizations SET name = name || '!' WHERE id = $1"
        async with world.pool.acquire() as conn:
            await asyncio.wait_for(conn.execute(change, world.org_id), APPEND_SECONDS)


@pytest.mark.parametrize("role", CLIENT_ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM crm.lock_rows FOR UPDATE",
        "SELECT FROM crm.lock_rows FOR KEY SHARE",
        "BEGIN; LOCK TABLE crm.lock_rows IN ACCESS SHARE MODE",
        "SELECT crm.lock_streams(ARRAY['order'], ARRAY[gen_random_uuid()], ARRAY[false])",
        "SELECT crm.lock_name('x')",
    ],
)
async def test_a_client_cannot_take_the_locks_of_appends(
    settings: Settings, world: World, role: str, statement: str
) -> None:
    async with connect_as(settings, role) as attacker:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await attacker.execute(statement)


async def test_no_function_of_the_core_takes_an_advisory_lock(owner_pool: asyncpg.Pool) -> None:
    rows = await owner_pool.fetch(
        "SELECT proname FROM pg_proc WHERE prosrc LIKE '%pg_advisory%' AND pronamespace IN "
        "(SELECT oid FROM pg_namespace WHERE nspname IN ('crm', 'crm_api', 'crm_state', 'public'))"
    )
    assert [row["proname"] for row in rows] == []


async def test_tasks_that_run_once_at_a_time_have_locks_of_their_own(
    owner_pool: asyncpg.Pool,
) -> None:
    """Two names with one row would keep each other from running."""
    names = [REBUILD, VERIFY, ADOPTION_LOCK, RETENTION_LOCK, STAGED_LOCK]
    async with owner_pool.acquire() as conn, conn.transaction():
        for name in names:
            assert await locks.try_lock_name(conn, name), name
        async with owner_pool.acquire() as other, other.transaction():
            for name in names:
                assert not await locks.try_lock_name(other, name), name


async def test_missing_rows_are_an_error_and_not_a_missing_lock(
    owner_pool: asyncpg.Pool, world: World
) -> None:
    await owner_pool.execute("DELETE FROM crm.lock_rows")
    with pytest.raises(asyncpg.RaiseError, match="lock_rows lacks rows"):
        await world.append(world.new(world.captured()))
    async with world.pool.acquire() as conn:
        with pytest.raises(asyncpg.RaiseError, match="lock_rows lacks rows"):
            await locks.lock_name(conn, "x")


@pytest.mark.parametrize("is_large", [True, False])
async def test_an_append_to_many_streams_and_a_small_one_exclude_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    """Eight rows of a property: each session locks one, and a large append locks all."""
    if is_large:
        monkeypatch.setattr(locks, "MAX_STREAM_LOCKS", 0)
    async with world.pool.acquire() as conn, conn.transaction():
        await append(conn, [world.new(world.captured(email="a@example.com"))], expected={})
        monkeypatch.setattr(locks, "MAX_STREAM_LOCKS", 200)
        others = [
            asyncio.create_task(world.append(world.new(world.captured(email=f"{n}@example.com"))))
            for n in range(3)
        ]
        if is_large:
            await until(lambda: _count_waiting(world.pool, 3))
            assert not any(other.done() for other in others)
        else:
            await asyncio.wait_for(asyncio.gather(*others), APPEND_SECONDS)
    await asyncio.gather(*others)


async def _count_waiting(pool: asyncpg.Pool, count: int) -> bool:
    async with pool.acquire() as conn:
        return bool(
            await conn.fetchval(
                "SELECT count(DISTINCT pid) = $1 FROM pg_locks WHERE NOT granted", count
            )
        )
