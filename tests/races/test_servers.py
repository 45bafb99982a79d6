"""Servers that are killed and restarted under load: what was acknowledged is there, once."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from events.log.errors import LogRefused
from services.local_stack.broker import Broker
from services.local_stack.kafka import Kafka
from services.local_stack.postgres import Postgres
from services.relay import relay
from services.relay.run import Tour
from services.runtime.database import pooled
from services.runtime.migrations import migrate
from services.runtime.settings import Settings
from tests.conftest import make_broker, make_settings, until
from tests.races.processes import demand_the_law, level, running, whole_on_the_bus
from tests.world import World, make_world

pytestmark = pytest.mark.stack
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


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
    """Leads are captured all the time; yields the ids of those whose commit was acknowledged."""
    acknowledged: list[object] = []
    done = asyncio.Event()

    async def capture() -> None:
        while not done.is_set():
            new = world.new(world.captured(email=None))
            try:
                await world.append(new)
            except LogRefused:
                raise
            except AWAY:
                await asyncio.sleep(0.05)
            else:
                acknowledged.append(new.id)

    tasks = [asyncio.create_task(capture()) for _ in range(3)]
    try:
        yield acknowledged
    finally:
        done.set()
        await asyncio.gather(*tasks)


async def growing(acknowledged: list[object]) -> None:
    """Wait until many more have been acknowledged."""
    wanted = len(acknowledged) + 200
    await until(lambda: len(acknowledged) > wanted)


async def demand_all(pool: asyncpg.Pool, acknowledged: list[object]) -> None:
    """Every acknowledged event is in the log and a row; nothing is parked; live = rebuilt."""
    async with pool.acquire() as conn:
        kept = await conn.fetchval(
            "SELECT count(*) FROM crm_events WHERE id = ANY($1::uuid[])", acknowledged
        )
        leads = await conn.fetchval("SELECT count(*) FROM leads")
        events = await conn.fetchval(
            "SELECT count(*) FROM crm_events WHERE event_type = 'lead.captured'"
        )
    assert kept == len(acknowledged)
    assert leads == events >= kept
    await demand_the_law(pool)


async def test_postgresql_killed_under_load_loses_nothing_acknowledged(
    postgres: Postgres, bootstrap_servers: str, tmp_path: Path
) -> None:
    settings = make_settings(postgres.url("crm"), bootstrap_servers, tmp_path)
    await asyncio.to_thread(migrate, settings.dsn)
    async with pooled(settings, "test", role=None) as pool, running(settings):
        world = await make_world(pool, properties=3)
        await level(pool)
        async with load(world) as acknowledged:
            for crash in (True, False):
                await growing(acknowledged)
                await asyncio.to_thread(postgres.restart, crash=crash)
            await growing(acknowledged)
        await level(pool)
        await demand_all(pool, acknowledged)


@pytest.mark.parametrize("protected", [True, False])
async def test_a_commit_is_acknowledged_when_it_outlives_a_crash(
    postgres: Postgres, tmp_path: Path, protected: bool
) -> None:
    """Without protection: the log is written as the tables may be, not waiting for the disk."""
    settings = make_settings(postgres.url("crm"), "127.0.0.1:9", tmp_path)
    await asyncio.to_thread(migrate, settings.dsn)
    async with pooled(settings, "test", role=None) as pool:
        world = await make_world(pool)
        postgres.psql("-qc", "ALTER SYSTEM SET autovacuum = off")
        postgres.psql("-qc", "ALTER SYSTEM SET wal_writer_delay = '10s'")
        postgres.psql("-qc", "SELECT pg_reload_conf()")  # its writer sleeps so long from now on
        if not protected:
            postgres.psql("-qc", "ALTER DATABASE crm SET synchronous_commit = off")
            await pool.expire_connections()
        new = world.new(world.captured())
        await world.append(new)
        await asyncio.to_thread(postgres.restart, crash=True)
        await pool.expire_connections()
        kept = await world.count(f"crm_events WHERE id = '{new.id}'")
    assert kept == (1 if protected else 0)


async def test_a_relay_that_does_not_wait_for_its_servers_is_gone_for_good(
    postgres: Postgres,
    bootstrap_servers: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test before last without its protection on the relay's side."""
    monkeypatch.setattr(relay, "CUT_OFF", ())
    settings = make_settings(postgres.url("crm"), bootstrap_servers, tmp_path)
    await asyncio.to_thread(migrate, settings.dsn)
    async with pooled(settings, "test", role=None) as pool:
        world = await make_world(pool)
        stop = asyncio.Event()
        working = asyncio.create_task(relay.work(settings, stop, {}))
        await until(lambda: whole_on_the_bus(settings, pool))
        await asyncio.to_thread(postgres.restart, crash=True)
        with pytest.raises(AWAY):
            await asyncio.wait_for(working, 30)
        await pool.expire_connections()
        await world.append(world.new(world.captured()))
        assert not await whole_on_the_bus(settings, pool)


@pytest.mark.skipif(
    "KAFKA_BOOTSTRAP_SERVERS" in os.environ or os.environ.get("CRM_TEST_BROKER") == "kafka",
    reason="a broker that forgets nothing when it is killed has nothing to be given again",
)
async def test_what_a_killed_broker_forgot_stays_lost_where_nothing_is_published_again(
    broker: Broker | Kafka, settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next test without its protection: the tables are healed from the log, the bus is not."""
    monkeypatch.setattr(Tour, "_publish_again", _nothing_again)
    servers = {"kafka_bootstrap_servers": broker.bootstrap_servers}
    own = settings.model_copy(update=servers)
    world = await make_world(pool)
    async with running(own):
        await world.append(world.new(world.captured(email=None)))
        await until(lambda: whole_on_the_bus(own, pool))
        await level(pool)
        await asyncio.to_thread(broker.restart, crash=True)
        await world.append(world.new(world.captured(email=None)))
        await level(pool)
        assert not await whole_on_the_bus(own, pool)
    await demand_the_law(pool)


async def _nothing_again(*_: object) -> None: ...


async def test_the_broker_killed_under_load_loses_nothing(
    broker: Broker | Kafka, settings: Settings, pool: asyncpg.Pool
) -> None:
    servers = {"kafka_bootstrap_servers": broker.bootstrap_servers}
    own = settings.model_copy(update=servers)
    world = await make_world(pool, properties=3)
    async with running(own):
        await level(pool)
        async with load(world) as acknowledged:
            for crash in (True, False):
                await growing(acknowledged)
                await asyncio.to_thread(broker.restart, crash=crash)
            await growing(acknowledged)
        await level(pool)
        await until(lambda: whole_on_the_bus(own, pool))
        await demand_all(pool, acknowledged)
