"""Connections: their settings, their time limits, and how they convert jsonb."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from events.keys.ring import current_ring
from events.log.connection import Connection
from services.runtime import database
from services.runtime.database import (
    CONNECTION_ERRORS,
    ROWS_BY_KEY,
    connect,
    open_engine,
    pooled,
    sqlalchemy_url,
)
from services.runtime.settings import Settings

VALUES: list[Any] = [
    None,
    {"a": [1, 2.5, "ü", None, True]},
    [],
    "text",
    7,
    {"nested": {"deep": {}}},
]

CUT_OFF = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # when the end arrives while the next statement is on its way
    OSError,
)


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_jsonb_values_are_written_and_read_back(pool: asyncpg.Pool, value: Any) -> None:
    row = await pool.fetchrow("SELECT $1::jsonb AS b, $1::jsonb::text::json AS j", value)
    assert row is not None
    assert row["b"] == value
    assert row["j"] == value


async def test_copy_writes_jsonb_values(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("CREATE TEMP TABLE copied (v jsonb)")
        await connection.copy_records_to_table("copied", records=[({"a": 1},), ([],)])
        assert [row["v"] for row in await connection.fetch("TABLE copied")] == [{"a": 1}, []]


async def test_a_kept_plan_of_a_small_table_finds_rows_by_key_when_it_has_grown(
    settings: Settings,
) -> None:
    query = "SELECT id FROM grown WHERE id = ANY($1::int[])"
    async with (
        pooled(settings, "test plans", size=1, plans=ROWS_BY_KEY) as own_pool,
        own_pool.acquire() as conn,
        conn.transaction(),
    ):
        await conn.execute("CREATE TEMP TABLE grown (id int PRIMARY KEY) ON COMMIT DROP")
        await conn.execute("INSERT INTO grown VALUES (0); ANALYZE grown")
        for _ in range(10):  # from the sixth execution on, PostgreSQL may keep one plan
            await conn.fetch(query, [0])
        await conn.execute("INSERT INTO grown SELECT generate_series(1, 10000)")
        before = await _count_read_rows(conn)
        assert len(await conn.fetch(query, [1, 9_999])) == 2
        assert await _count_read_rows(conn) - before == 2


async def _count_read_rows(conn: Connection) -> int:
    """Return the rows of the temporary table that this transaction has read, by any scan."""
    return int(await conn.fetchval(
        "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_all_tables"
        " WHERE relid = 'grown'::regclass"
    ))  # fmt: skip


async def test_sqlalchemy_reads_jsonb_values(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert (await connection.scalar(text("SELECT '{\"a\": [1]}'::jsonb"))) == {"a": [1]}


async def test_a_connection_has_its_application_name(settings: Settings) -> None:
    connection = await connect(settings, "crm relay")
    assert await connection.fetchval("SHOW application_name") == "crm relay"
    assert await connection.fetchval("SHOW timezone") == "UTC"
    await connection.close()
    engine = open_engine(settings, "crm api")
    async with engine.connect() as opened:
        assert await opened.scalar(text("SHOW application_name")) == "crm api"
    await engine.dispose()


async def test_a_statement_is_cancelled_after_its_time_limit(settings: Settings) -> None:
    short = settings.model_copy(update={"statement_timeout_seconds": 0.5})
    async with pooled(short, "test") as pool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(10)")


async def test_a_database_that_sends_nothing_more_is_a_connection_error_after_a_time_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine vanished: not even the end of the connection is noticed."""
    monkeypatch.setattr(database, "SILENCE_SECONDS", 0.1)
    short = settings.model_copy(update={"statement_timeout_seconds": 0.5})
    async with proxy_to(short) as (proxied, stop_forwarding):
        pool = await database.open_pool(proxied, "test")
        alone = await connect(proxied, "test")
        engine = open_engine(proxied, "test")
        async with engine.connect() as queries:
            await queries.execute(text("SELECT 1"))
            await pool.execute("SELECT 1")
            stop_forwarding()
            async with asyncio.timeout(30):
                with pytest.raises(CONNECTION_ERRORS):
                    async with pool.acquire() as conn, conn.transaction():
                        await conn.execute("SELECT 1")
                with pytest.raises(CONNECTION_ERRORS):
                    await alone.execute("SELECT 1")
                with pytest.raises(CONNECTION_ERRORS):
                    await queries.execute(text("SELECT 1"))
            await queries.invalidate()
        pool.terminate()
        await engine.dispose()


@asynccontextmanager
async def proxy_to(settings: Settings) -> AsyncIterator[tuple[Settings, Callable[[], None]]]:
    """Run a proxy; yield settings that use it, and a function that stops its forwarding."""
    address = urlsplit(settings.dsn)
    is_forwarding = True
    forwarding: set[asyncio.Task[None]] = set()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if is_forwarding:
                    writer.write(data)
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(address.hostname, address.port)
        for direction in (forward(reader, up_writer), forward(up_reader, writer)):
            forwarding.add(asyncio.create_task(direction))

    def stop_forwarding() -> None:
        nonlocal is_forwarding
        is_forwarding = False

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxied_dsn = settings.dsn.replace(f":{address.port}/", f":{port}/")
    try:
        yield settings.model_copy(update={"database_url": SecretStr(proxied_dsn)}), stop_forwarding
    finally:
        server.close()
        for task in forwarding:
            task.cancel()
        await asyncio.gather(*forwarding, return_exceptions=True)


async def test_an_idle_transaction_releases_its_locks_after_its_time_limit(
    settings: Settings,
) -> None:
    short = settings.model_copy(update={"idle_in_transaction_seconds": 0.05})
    idle = await connect(short, "test")
    await idle.execute("BEGIN; SELECT pg_advisory_xact_lock(1)")
    other = await connect(settings, "test")
    await asyncio.wait_for(other.execute("SELECT pg_advisory_lock(1)"), 10)
    with pytest.raises(CUT_OFF):
        await idle.execute("SELECT 1")
    await other.close()


async def test_a_pool_opens_no_more_connections_than_its_size(settings: Settings) -> None:
    async with pooled(settings.model_copy(update={"pool_size": 2}), "test") as pool:
        async with pool.acquire(), pool.acquire():
            with pytest.raises(TimeoutError):
                await pool.acquire(timeout=0.1)


def test_an_address_for_libpq_is_converted_for_sqlalchemy() -> None:
    url = sqlalchemy_url("postgresql://u:p%40ss@db:6543/crm?sslmode=require")
    assert url.drivername == "postgresql+asyncpg"
    assert url.password == "p@ss"
    assert url.query == {"ssl": "require"}


async def test_a_process_has_a_key_ring_for_each_database(settings: Settings) -> None:
    """The key of contact hashes is another one in each database."""
    async with pooled(settings, "test"):
        first = current_ring()
        async with pooled(settings, "test again"):
            assert current_ring() is first
    elsewhere = SecretStr(settings.database_url.get_secret_value() + "_elsewhere")
    with pytest.raises(asyncpg.PostgresError):
        await connect(settings.model_copy(update={"database_url": elsewhere}), "test")
    assert current_ring() is not first
