"""Connections: what they say they are, how long they wait, how they speak jsonb."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.database import connect, open_engine, pooled, sqlalchemy_url
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
    hasty = settings.model_copy(update={"statement_timeout_seconds": 0.05})
    async with pooled(hasty, "test") as pool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(10)")


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
