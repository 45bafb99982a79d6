"""Connections to PostgreSQL: asyncpg for the log and the hot path, SQLAlchemy for queries."""

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
"""Time that a client waits beyond the server's own statement timeout.

The server ends a slow statement itself. If its machine vanished, only this wait ends it.
"""
WORKER_ROLE = "service_role"
"""The database role of workers and of the API.

Migrations, rebuilds and tools for the host's own tables keep the role of the database address.
"""
JSONB_VERSION = b"\x01"
CONNECTION_ERRORS = (
    OSError,  # no route, refused, reset; TimeoutError is one too: no answer in time
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.OperatorInterventionError,  # class 57: shutdown, restart, cancelled by a timeout
    asyncpg.IdleInTransactionSessionTimeoutError,  # the server closed the connection
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,  # the server became a standby
    asyncpg.InterfaceError,  # asyncpg has no narrower type for a connection that is closed
    asyncpg.InternalClientError,  # the connection ended while a statement was being sent
)
"""Errors after which a worker connects again. Any other error of the database is a fault."""
TRANSACTION_ERRORS = (asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError)
"""Errors of a transaction that can succeed at the next try: deadlock, serialization, lock."""


def is_fault(error: BaseException) -> bool:
    """Return whether the error needs a repair: a missing table or privilege, a wrong password.

    Neither a new connection nor another try helps, so a worker must report it.
    """
    return isinstance(error, asyncpg.PostgresError) and not isinstance(
        error, (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)
    )


async def open_pool(
    settings: DatabaseSettings,
    application_name: str,
    *,
    size: int | None = None,
    role: str | None = WORKER_ROLE,
) -> asyncpg.Pool:
    """Return a pool whose connections convert json and jsonb to Python values.

    The caller closes it; `pooled` does that at the end of a block.
    """
    return await asyncpg.create_pool(
        settings.dsn,
        min_size=1,
        max_size=size or settings.pool_size,
        init=register_json_codecs,
        timeout=CONNECT_SECONDS,
        command_timeout=response_timeout_seconds(settings),
        server_settings=session_settings(settings, application_name, role),
    )


@asynccontextmanager
async def pooled(
    settings: DatabaseSettings,
    application_name: str,
    *,
    size: int | None = None,
    role: str | None = WORKER_ROLE,
) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool for the duration of a block."""
    pool = await open_pool(settings, application_name, size=size, role=role)
    try:
        yield pool
    finally:
        await pool.close()


async def connect(
    settings: DatabaseSettings, application_name: str, *, role: str | None = WORKER_ROLE
) -> asyncpg.Connection:
    """Open one connection outside any pool, for work that keeps it long (sequencer, liveness)."""
    connection = await asyncpg.connect(
        settings.dsn,
        timeout=CONNECT_SECONDS,
        command_timeout=response_timeout_seconds(settings),
        server_settings=session_settings(settings, application_name, role),
    )
    await register_json_codecs(connection)
    return connection


def session_settings(
    settings: DatabaseSettings, application_name: str, role: str | None = WORKER_ROLE
) -> dict[str, str]:
    """Return the server settings of a new connection; they survive the RESET ALL of the pool."""
    return {
        **({"role": role} if role else {}),
        "application_name": application_name[:63],
        "timezone": "UTC",
        "statement_timeout": _milliseconds(settings.statement_timeout_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(settings.idle_in_transaction_seconds),
    }


def response_timeout_seconds(settings: DatabaseSettings) -> float:
    """Return the seconds after which a statement without an answer raises `TimeoutError`."""
    return settings.statement_timeout_seconds + SILENCE_SECONDS


async def register_json_codecs(connection: "asyncpg.Connection | PoolConnectionProxy") -> None:
    """Convert json and jsonb with orjson in binary format; `bytes` values are sent as they are."""
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
    role: str | None = WORKER_ROLE,
) -> AsyncEngine:
    """Return a SQLAlchemy engine with the same session settings. The caller disposes of it."""
    return create_async_engine(
        sqlalchemy_url(settings.dsn),
        pool_size=size or settings.pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": response_timeout_seconds(settings),
            "server_settings": session_settings(settings, application_name, role),
        },
    )


def sqlalchemy_url(dsn: str) -> URL:
    """Return the address in SQLAlchemy's form: its asyncpg dialect calls `sslmode` `ssl`."""
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
