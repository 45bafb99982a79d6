"""Connections: what they say they are, how long they wait, how they speak jsonb."""

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

from services.runtime import database
from services.runtime.database import AWAY, connect, open_engine, pooled, sqlalchemy_url
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
async def test_jsonb_goes_there_and_back(pool: asyncpg.Pool, value: Any) -> None:
    row = await pool.fetchrow("SELECT $1::jsonb AS b, $1::jsonb::text::json AS j", value)
    assert row is not None
    assert row["b"] == value
    assert row["j"] == value


async def test_copy_takes_jsonb_too(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("CREATE TEMP TABLE copied (v jsonb)")
        await connection.copy_records_to_table("copied", records=[({"a": 1},), ([],)])
        assert [row["v"] for row in await connection.fetch("TABLE copied")] == [{"a": 1}, []]


async def test_sqlalchemy_reads_the_same_jsonb(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert (await connection.scalar(text("SELECT '{\"a\": [1]}'::jsonb"))) == {"a": [1]}


async def test_a_connection_says_who_it_is(settings: Settings) -> None:
    connection = await connect(settings, "crm relay")
    assert await connection.fetchval("SHOW application_name") == "crm relay"
    assert await connection.fetchval("SHOW timezone") == "UTC"
    await connection.close()
    engine = open_engine(settings, "crm api")
    async with engine.connect() as opened:
        assert await opened.scalar(text("SHOW application_name")) == "crm api"
    await engine.dispose()


async def test_a_statement_is_ended_after_its_bound(settings: Settings) -> None:
    hasty = settings.model_copy(update={"statement_timeout_seconds": 0.5})
    async with pooled(hasty, "test") as pool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(10)")


async def test_a_database_that_falls_silent_is_away_after_a_bound(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine vanished: nothing more comes, not even the end of the connection."""
    monkeypatch.setattr(database, "SILENCE_SECONDS", 0.1)
    hasty = settings.model_copy(update={"statement_timeout_seconds": 0.5})
    async with silenced(hasty) as (through, fall_silent):
        pool = await database.open_pool(through, "test")
        alone = await connect(through, "test")
        engine = open_engine(through, "test")
        async with engine.connect() as queries:
            await queries.execute(text("SELECT 1"))
            await pool.execute("SELECT 1")
            fall_silent()
            async with asyncio.timeout(30):
                with pytest.raises(AWAY):
                    async with pool.acquire() as conn, conn.transaction():
                        await conn.execute("SELECT 1")
                with pytest.raises(AWAY):
                    await alone.execute("SELECT 1")
                with pytest.raises(AWAY):
                    await queries.execute(text("SELECT 1"))
            await queries.invalidate()
        pool.terminate()
        await engine.dispose()


@asynccontextmanager
async def silenced(settings: Settings) -> AsyncIterator[tuple[Settings, Callable[[], None]]]:
    """Settings that lead through a proxy, and what makes the proxy forward nothing more."""
    where = urlsplit(settings.dsn)
    forwards = True
    relaying: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if forwards:
                    writer.write(data)
        finally:
            writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(where.hostname, where.port)
        for one in (pass_on(reader, back), pass_on(there, writer)):
            relaying.add(asyncio.create_task(one))

    def fall_silent() -> None:
        nonlocal forwards
        forwards = False

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    address = settings.dsn.replace(f":{where.port}/", f":{port}/")
    try:
        yield settings.model_copy(update={"database_url": SecretStr(address)}), fall_silent
    finally:
        server.close()
        for task in relaying:
            task.cancel()
        await asyncio.gather(*relaying, return_exceptions=True)


async def test_a_transaction_left_idle_frees_its_locks_after_its_bound(settings: Settings) -> None:
    hasty = settings.model_copy(update={"idle_in_transaction_seconds": 0.05})
    idle = await connect(hasty, "test")
    await idle.execute("BEGIN; SELECT pg_advisory_xact_lock(1)")
    other = await connect(settings, "test")
    await asyncio.wait_for(other.execute("SELECT pg_advisory_lock(1)"), 10)
    with pytest.raises(CUT_OFF):
        await idle.execute("SELECT 1")
    await other.close()


async def test_a_pool_opens_no_more_connections_than_it_may(settings: Settings) -> None:
    async with pooled(settings.model_copy(update={"pool_size": 2}), "test") as pool:
        async with pool.acquire(), pool.acquire():
            with pytest.raises(TimeoutError):
                await pool.acquire(timeout=0.1)


def test_an_address_for_libpq_serves_sqlalchemy_too() -> None:
    url = sqlalchemy_url("postgresql://u:p%40ss@db:6543/crm?sslmode=require")
    assert url.drivername == "postgresql+asyncpg"
    assert url.password == "p@ss"
    assert url.query == {"ssl": "require"}
