"""Ways to PostgreSQL: asyncpg for the log and the hot path, SQLAlchemy for queries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.runtime.settings import DatabaseSettings

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 10.0
"""So long after a statement's bound its answer is awaited: the server keeps that bound, but one
whose machine vanished says nothing, not even that."""
WORKER = "service_role"
"""Who workers and the API are to PostgreSQL; only migrations, rebuilds and tools for the host's own
tables connect as whoever the address names."""
JSONB_VERSION = b"\x01"
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What is raised where the database is away, restarts, cut the connection or says nothing more."""


async def open_pool(
    settings: DatabaseSettings,
    application_name: str,
    *,
    size: int | None = None,
    role: str | None = WORKER,
) -> asyncpg.Pool:
    """A pool whose connections speak jsonb as Python values; close it, or use `pooled`."""
    return await asyncpg.create_pool(
        settings.dsn,
        min_size=1,
        max_size=size or settings.pool_size,
        init=teach_json,
        timeout=CONNECT_SECONDS,
        command_timeout=answer_seconds(settings),
        server_settings=session_settings(settings, application_name, role),
    )


@asynccontextmanager
async def pooled(
    settings: DatabaseSettings,
    application_name: str,
    *,
    size: int | None = None,
    role: str | None = WORKER,
) -> AsyncIterator[asyncpg.Pool]:
    """A pool for the length of a block."""
    pool = await open_pool(settings, application_name, size=size, role=role)
    try:
        yield pool
    finally:
        await pool.close()


async def connect(
    settings: DatabaseSettings, application_name: str, *, role: str | None = WORKER
) -> asyncpg.Connection:
    """One connection outside any pool, for work that holds it long (sequencing, watching)."""
    connection = await asyncpg.connect(
        settings.dsn,
        timeout=CONNECT_SECONDS,
        command_timeout=answer_seconds(settings),
        server_settings=session_settings(settings, application_name, role),
    )
    await teach_json(connection)
    return connection


def session_settings(
    settings: DatabaseSettings, application_name: str, role: str | None = WORKER
) -> dict[str, str]:
    """What PostgreSQL is told when a connection opens; survives the pool's RESET ALL."""
    return {
        **({"role": role} if role else {}),
        "application_name": application_name[:63],
        "timezone": "UTC",
        "statement_timeout": _milliseconds(settings.statement_timeout_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(settings.idle_in_transaction_seconds),
    }


def answer_seconds(settings: DatabaseSettings) -> float:
    """After this without an answer a statement raises `TimeoutError`, which is one of `AWAY`."""
    return settings.statement_timeout_seconds + SILENCE_SECONDS


async def teach_json(connection: "asyncpg.Connection | PoolConnectionProxy") -> None:
    """Send and read json and jsonb in binary through orjson; bytes are JSON already."""
    await connection.set_type_codec(
        "jsonb",
        encoder=_encode_jsonb,
        decoder=_decode_jsonb,
        schema="pg_catalog",
        format="binary",
    )
    await connection.set_type_codec(
        "json", encoder=orjson.dumps, decoder=orjson.loads, schema="pg_catalog", format="binary"
    )


def open_engine(
    settings: DatabaseSettings,
    application_name: str,
    *,
    size: int | None = None,
    role: str | None = WORKER,
) -> AsyncEngine:
    """A SQLAlchemy engine on the same database with the same session settings; dispose of it."""
    return create_async_engine(
        sqlalchemy_url(settings.dsn),
        pool_size=size or settings.pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": answer_seconds(settings),
            "server_settings": session_settings(settings, application_name, role),
        },
    )


def sqlalchemy_url(dsn: str) -> URL:
    """The same address for SQLAlchemy, whose asyncpg says `ssl` where libpq says `sslmode`."""
    url = make_url(dsn).set(drivername="postgresql+asyncpg")
    if "sslmode" in url.query:
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(
            ["sslmode"]
        )
    return url


def _encode_jsonb(value: Any) -> bytes:
    return JSONB_VERSION + (value if type(value) is bytes else orjson.dumps(value))


def _decode_jsonb(data: bytes) -> Any:
    return orjson.loads(data[1:])


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
