"""A transaction-mode pooler without support of prepared statements: everything works behind it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.rebuild_result import RebuildInProgress
from services.adoption import adoption
from services.event_consumer.liveness import (
    LivenessLease,
    LivenessLock,
    find_dead_owners,
    make_liveness,
)
from services.runtime.database import PoolerSettingMissing, connect, pooled
from services.runtime.migrations import migrate
from services.runtime.settings import Settings
from tests.conftest import LOGIN, as_login, make_settings, until
from tests.host import HostPlatform, adopt_all, database, ignore_progress, make_tables, rebuild_of
from tests.pgbouncer import PgBouncer, is_installed
from tests.races.processes import append_chats, run_processes, wait_until_level
from tests.world import World, make_world

pytestmark = [
    pytest.mark.pooler,
    pytest.mark.stack,
    pytest.mark.skipif(not is_installed(), reason="not installed: apt install pgbouncer"),
]
CLIENTS = 20


@pytest.fixture(scope="module")
def bouncer(run_directory: Path, server_url: str) -> Iterator[PgBouncer]:
    server = PgBouncer(run_directory / f"bouncer-{uuid4().hex[:8]}", server_url, {LOGIN: LOGIN})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def settings(database_url: str, bouncer: PgBouncer, tmp_path: Path) -> Settings:
    """Return the settings of a process behind the pooler, without a direct address."""
    return make_settings(
        bouncer.url(as_login(database_url)), "127.0.0.1:9", tmp_path, database_pooler="transaction"
    )


@pytest.fixture
def owner_settings(settings: Settings, bouncer: PgBouncer, database_url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(bouncer.url(database_url))})


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def sessions(database_url: str) -> list[asyncpg.Record]:
    """Return the state that the sessions of the pooler keep, seen from outside."""
    conn = await asyncpg.connect(database_url)
    try:
        return await conn.fetch(
            "SELECT l.locktype FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND a.datname = current_database()"
        )
    finally:
        await conn.close()


async def test_clients_that_share_sessions_keep_their_roles_and_settings(
    settings: Settings, owner_settings: Settings, pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    query = "SELECT current_user || $1::int || current_setting('statement_timeout')"
    short = settings.model_copy(update={"statement_timeout_seconds": 7})

    async with pooled(short, "test") as second, pooled(settings, "test", role=None) as login:
        for number in range(CLIENTS):
            answers = await asyncio.gather(
                *(
                    opened.fetchval(query, number)
                    for opened in (pool, second, login)
                    for _ in range(3)
                )
            )
            assert answers == [
                *[f"service_role{number}1min"] * 3,
                *[f"service_role{number}7s"] * 3,
                *[f"{LOGIN}{number}1min"] * 3,
            ]
            async with engine.connect() as conn:
                assert await conn.scalar(text("SELECT current_user")) == "service_role"


async def test_no_statement_lock_or_setting_stays_in_a_session(
    settings: Settings, bouncer: PgBouncer, database_url: str, pool: asyncpg.Pool,
    engine: AsyncEngine, world: World,
) -> None:  # fmt: skip
    await world.append(world.new(world.captured()))
    await world.number()
    async with engine.begin() as conn:
        await conn.execute(text("SELECT count(*) FROM leads WHERE status = :status"),
                           {"status": "new"})  # fmt: skip
    assert await pool.fetch("SELECT generate_series(1, $1)", 3)
    raw = [
        await asyncpg.connect(bouncer.url(as_login(database_url)), statement_cache_size=0)
        for _ in range(3)
    ]
    transactions = [client.transaction() for client in raw]
    for transaction in transactions:  # open together, so that they have different sessions
        await transaction.start()
    for client, transaction in zip(raw, transactions, strict=True):
        assert await client.fetchval("SELECT current_user::text") == LOGIN
        assert await client.fetchval("SELECT reset_val FROM pg_settings WHERE name = "
                                   "'statement_timeout'") == "0"  # fmt: skip
        assert await client.fetchval("SHOW statement_timeout") == "0"
        assert await client.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0
        await transaction.rollback()
        await client.close()
    assert await sessions(database_url) == []


async def test_parallel_statements_with_parameters_do_not_mix(
    pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    async def through_pool(number: int) -> None:
        for step in range(20):
            values = {"number": [number, step]}
            assert await pool.fetchval("SELECT $1::jsonb", values) == values

    async def through_engine(number: int) -> None:
        for step in range(20):
            async with engine.connect() as conn:
                query = text("SELECT CAST(:number AS int) + CAST(:step AS int), 'a' || :word")
                row = (
                    await conn.execute(query, {"number": number, "step": step, "word": f"{number}"})
                ).one()
                assert tuple(row) == (number + step, f"a{number}")

    await asyncio.gather(
        *(work(number) for number in range(CLIENTS) for work in (through_pool, through_engine))
    )


async def test_a_failed_statement_leaves_the_connection_usable(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await conn.fetch("SELECT 1 / 0")
        assert await conn.fetchval("SELECT current_user::text") == "service_role"
        async with conn.transaction():
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with conn.transaction():
                    await conn.execute("SELECT 1 / 0")
            assert await conn.fetchval("SELECT current_user::text") == "service_role"


async def test_rows_written_behind_the_pooler_equal_rebuilt_rows(
    owner_pool: asyncpg.Pool, world: World
) -> None:
    for _ in range(30):
        lead = world.captured(email=f"{uuid4()}@example.com")
        await world.append(world.new(lead), *map(world.new, world.chat(lead.lead_id, 3)))
    await world.project()
    verification = await rebuild_of(owner_pool).verify()
    assert verification.equal
    assert (await rebuild_of(owner_pool).rebuild(repair=False)).swapped


async def test_two_rebuilds_do_not_run_at_once(owner_pool: asyncpg.Pool, world: World) -> None:
    first, second = rebuild_of(owner_pool), rebuild_of(owner_pool)
    async with first._lock_schema("crm_rebuild"):
        with pytest.raises(RebuildInProgress):
            await second.rebuild(repair=False)
    assert (await second.rebuild(repair=False)).swapped


async def test_a_host_is_migrated_and_adopted_behind_the_pooler(
    server_url: str, bouncer: PgBouncer, tmp_path: Path
) -> None:
    host = HostPlatform()
    async with database(server_url) as url:
        conn = await asyncpg.connect(url)
        await make_tables(conn)
        await host.insert_rows(conn, 40)
        await conn.close()
        await asyncio.to_thread(migrate, bouncer.url(url))
        behind = make_settings(
            bouncer.url(url), "127.0.0.1:9", tmp_path, database_pooler="transaction"
        )
        async with pooled(behind, "test", role=None) as pool:
            async with adoption._lock_adoption(pool):
                with pytest.raises(adoption.AdoptionRunning):
                    await adoption.adopt(pool, ignore_progress)
            await adopt_all(host, pool)
            assert (await rebuild_of(pool).verify()).equal


async def test_processes_work_and_another_projector_takes_over_an_expired_lease(
    settings: Settings, bootstrap_servers: str, world: World, pool: asyncpg.Pool
) -> None:
    running = settings.model_copy(update={"kafka_bootstrap_servers": bootstrap_servers})
    async with run_processes(running):
        await append_chats(world, 50)
        await wait_until_level(pool)
        [owner] = await pool.fetch("SELECT owner FROM crm.projector_leases")
    assert await pool.fetch("SELECT owner FROM crm.projector_leases") == []
    async with pool.acquire() as conn:
        shards = [row["shard"] for row in await conn.fetch("SELECT shard FROM crm.shards")]
        await conn.execute("UPDATE crm.checkpoints SET owner = $1", owner["owner"])
        dead = await find_dead_owners(conn, LIVE.name, shards, "own")
        assert set(dead.values()) == {owner["owner"]}
        lease = LivenessLease(pool, owner["owner"])
        await lease.acquire()
        assert await find_dead_owners(conn, LIVE.name, shards, "own") == {}
        await conn.execute("UPDATE crm.projector_leases SET expires_at = clock_timestamp()")
        assert len(await find_dead_owners(conn, LIVE.name, shards, "own")) == len(shards)
        await lease.acquire()
        assert await find_dead_owners(conn, LIVE.name, shards, "own") == {}
        await lease.release()


async def test_liveness_uses_the_direct_address_where_it_is_set(
    settings: Settings, database_url: str, pool: asyncpg.Pool
) -> None:
    assert isinstance(make_liveness(settings, pool, "me"), LivenessLease)
    direct = settings.model_copy(update={"database_direct_url": SecretStr(as_login(database_url))})
    lock = make_liveness(direct, pool, "me")
    assert isinstance(lock, LivenessLock)
    await lock.acquire()
    assert len(await sessions(database_url)) == 1
    async with pool.acquire() as conn:
        await checkpoints.create(conn, LIVE.name, LIVE.version, 1)
        await conn.execute("UPDATE crm.checkpoints SET owner = 'me' WHERE shard < 4")
        assert await find_dead_owners(conn, LIVE.name, [0, 1, 2, 3], "own") == {}
        await lock.release()
        await until(lambda: is_free(database_url))
        assert set(await find_dead_owners(conn, LIVE.name, [0, 1, 2, 3], "own")) == {0, 1, 2, 3}


async def is_free(database_url: str) -> bool:
    return not await sessions(database_url)


async def test_a_pooler_without_the_setting_is_reported_with_what_to_do(
    settings: Settings, run_directory: Path, server_url: str, database_url: str
) -> None:
    plain = settings.model_copy(update={"database_pooler": "none"})
    with pytest.raises(PoolerSettingMissing, match="CRM_DATABASE_POOLER=transaction"):
        await connect(plain, "test")
    with pytest.raises(PoolerSettingMissing, match="CRM_DATABASE_POOLER=transaction"):
        async with pooled(plain, "test"):
            pass
    silent = PgBouncer(
        run_directory / f"silent-{uuid4().hex[:8]}", server_url, {LOGIN: LOGIN},
        ignored=("role", "statement_timeout", "idle_in_transaction_session_timeout"),
    )  # fmt: skip
    silent.start()
    try:
        address = SecretStr(silent.url(as_login(database_url)))
        ignoring = plain.model_copy(update={"database_url": address})
        with pytest.raises(PoolerSettingMissing, match="CRM_DATABASE_POOLER=transaction"):
            await connect(ignoring, "test")
    finally:
        silent.stop()
