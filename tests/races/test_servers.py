"""Servers that are killed and restarted under load lose no acknowledged event."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from events.log.errors import AppendRefused
from services.local_stack.broker import Broker
from services.local_stack.kafka import Kafka
from services.local_stack.postgres import Postgres
from services.relay import relay
from services.relay.run import RelayRun
from services.runtime.clock import Clock
from services.runtime.database import pooled
from services.runtime.migrations import migrate
from services.runtime.settings import Settings
from tests.conftest import make_broker, make_settings, until
from tests.races.processes import (
    assert_live_equals_rebuilt,
    is_bus_complete,
    run_processes,
    wait_until_level,
)
from tests.world import World, make_world

pytestmark = pytest.mark.stack
LOST_CONNECTION = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


@pytest.fixture
def postgres(home: Path) -> Iterator[Postgres]:
    server = Postgres(home / "postgres")
    server.start()
    server.ensure_database("crm")
    yield server
    server.stop()


@pytest.fixture
def broker(home: Path) -> Iterator[Broker | Kafka]:
    server = make_broker(home / "broker")
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def load(world: World) -> AsyncIterator[list[object]]:
    """Capture leads during a block; yield the ids of the events whose commit was acknowledged."""
    acknowledged: list[object] = []
    done = asyncio.Event()

    async def capture() -> None:
        while not done.is_set():
            new = world.new(world.captured(email=None))
            try:
                await world.append(new)
            except AppendRefused:
                raise
            except LOST_CONNECTION:
                await asyncio.sleep(0.05)
            else:
                acknowledged.append(new.id)

    tasks = [asyncio.create_task(capture()) for _ in range(3)]
    try:
        yield acknowledged
    finally:
        done.set()
        await asyncio.gather(*tasks)


async def wait_for_more(acknowledged: list[object]) -> None:
    """Wait until two hundred more events are acknowledged."""
    target = len(acknowledged) + 200
    await until(lambda: len(acknowledged) > target)


async def assert_nothing_is_lost(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, acknowledged: list[object]
) -> None:
    """Check that every acknowledged event is in the log and a row, and that live = rebuilt."""
    async with pool.acquire() as conn:
        logged = await conn.fetchval(
            "SELECT count(*) FROM crm_events WHERE id = ANY($1::uuid[])", acknowledged
        )
        leads = await conn.fetchval("SELECT count(*) FROM leads")
        events = await conn.fetchval(
            "SELECT count(*) FROM crm_events WHERE event_type = 'lead.captured'"
        )
    assert logged == len(acknowledged)
    assert leads == events >= logged
    await assert_live_equals_rebuilt(owner_pool)


@pytest.mark.kill
async def test_postgresql_killed_under_load_loses_no_acknowledged_event(
    postgres: Postgres, bootstrap_servers: str, tmp_path: Path
) -> None:
    settings = make_settings(postgres.url("crm"), bootstrap_servers, tmp_path)
    await asyncio.to_thread(migrate, settings.dsn)
    async with pooled(settings, "test", role=None) as pool, run_processes(settings):
        world = await make_world(pool, properties=3)
        await wait_until_level(pool)
        async with load(world) as acknowledged:
            for crash in (True, False):
                await wait_for_more(acknowledged)
                await asyncio.to_thread(postgres.restart, crash=crash)
            await wait_for_more(acknowledged)
        await wait_until_level(pool)
        await assert_nothing_is_lost(pool, pool, acknowledged)


@pytest.mark.parametrize("protected", [True, False])
async def test_an_acknowledged_commit_survives_a_crash(
    postgres: Postgres, tmp_path: Path, protected: bool
) -> None:
    """The protection: an append waits for the disk, unlike a write of the tables."""
    settings = make_settings(postgres.url("crm"), "127.0.0.1:9", tmp_path)
    await asyncio.to_thread(migrate, settings.dsn)
    async with pooled(settings, "test", role=None) as pool:
        world = await make_world(pool)
        postgres.psql("-qc", "ALTER SYSTEM SET autovacuum = off")
        postgres.psql("-qc", "ALTER SYSTEM SET wal_writer_delay = '10s'")
        postgres.psql(
            "-qc", "SELECT pg_reload_conf()"
        )  # the WAL writer sleeps for this time from now on
        if not protected:
            postgres.psql("-qc", "ALTER DATABASE crm SET synchronous_commit = off")
            await pool.expire_connections()
        new = world.new(world.captured())
        await world.append(new)
        await asyncio.to_thread(postgres.restart, crash=True)
        await pool.expire_connections()
        logged = await world.count(f"crm_events WHERE id = '{new.id}'")
    assert logged == (1 if protected else 0)


async def test_without_a_retry_a_relay_ends_with_its_server(
    postgres: Postgres,
    bootstrap_servers: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The protection of the relay in the test before last is removed."""
    monkeypatch.setattr(relay, "RUN_ENDING_ERRORS", ())
    settings = make_settings(postgres.url("crm"), bootstrap_servers, tmp_path)
    await asyncio.to_thread(migrate, settings.dsn)
    async with pooled(settings, "test", role=None) as pool:
        world = await make_world(pool)
        stop = asyncio.Event()
        working = asyncio.create_task(relay.work(settings, stop, {}, Clock()))
        await until(lambda: is_bus_complete(settings, pool))
        await asyncio.to_thread(postgres.restart, crash=True)
        with pytest.raises(LOST_CONNECTION):
            await asyncio.wait_for(working, 30)
        await pool.expire_connections()
        await world.append(world.new(world.captured()))
        assert not await is_bus_complete(settings, pool)


@pytest.mark.skipif(
    "KAFKA_BOOTSTRAP_SERVERS" in os.environ or os.environ.get("CRM_TEST_BROKER") == "kafka",
    reason="this broker loses nothing when it is killed",
)
async def test_without_republishing_the_records_of_a_killed_broker_stay_lost(
    broker: Broker | Kafka,
    settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The protection of the next test is removed: the log fills the tables, but not the bus."""
    monkeypatch.setattr(RelayRun, "_publish_again", _publish_nothing)
    servers = {"kafka_bootstrap_servers": broker.bootstrap_servers}
    own_settings = settings.model_copy(update=servers)
    world = await make_world(pool)
    async with run_processes(own_settings):
        await world.append(world.new(world.captured(email=None)))
        await until(lambda: is_bus_complete(own_settings, pool))
        await wait_until_level(pool)
        await asyncio.to_thread(broker.restart, crash=True)
        await world.append(world.new(world.captured(email=None)))
        await wait_until_level(pool)
        assert not await is_bus_complete(own_settings, pool)
    await assert_live_equals_rebuilt(owner_pool)


async def _publish_nothing(*_: object) -> None: ...


@pytest.mark.kill
async def test_the_broker_killed_under_load_loses_nothing(
    broker: Broker | Kafka, settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    servers = {"kafka_bootstrap_servers": broker.bootstrap_servers}
    own_settings = settings.model_copy(update=servers)
    world = await make_world(pool, properties=3)
    async with run_processes(own_settings):
        await wait_until_level(pool)
        async with load(world) as acknowledged:
            for crash in (True, False):
                await wait_for_more(acknowledged)
                await asyncio.to_thread(broker.restart, crash=crash)
            await wait_for_more(acknowledged)
        await wait_until_level(pool)
        await until(lambda: is_bus_complete(own_settings, pool))
        await assert_nothing_is_lost(pool, owner_pool, acknowledged)
