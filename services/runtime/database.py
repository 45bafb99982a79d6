"""Connections to PostgreSQL: asyncpg for the log and the hot path, SQLAlchemy for queries."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from events.log.joined_appends import JoinedAppends
from services.runtime.announcer import Announcer, AnnouncingConnection
from services.runtime.database_settings import DatabaseSettings
from services.runtime.json_codecs import register_json_codecs
from services.runtime.keys import use_keys
from services.runtime.pooler import (
    NO_CACHED_STATEMENTS,
    NO_CACHED_STATEMENTS_OF_SQLALCHEMY,
    SessionlessConnection,
    pooler_connection_class,
)

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 10.0
"""Time that a client waits beyond the server's own statement timeout.

The server ends a slow statement itself. If its machine vanished, only this wait ends it.
"""
WORKER_ROLE = "service_role"
"""The database role of workers and of the API.

Migrations, rebuilds and tools for the host's own tables keep the role of the database address.
"""
ANY_PLAN: Mapping[str, str] = MappingProxyType({})
"""The server settings of a session whose statements are planned as PostgreSQL does by default."""
ROWS_BY_KEY: Mapping[str, str] = MappingProxyType({"enable_seqscan": "off", "jit": "off"})
"""The server settings of a session that finds rows by their keys only.

PostgreSQL keeps the plan of a prepared statement. One that it made while a table was nearly empty
reads the whole table, also when the table has grown, until statistics are collected.
"""
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


class PoolerSettingMissing(Exception):
    """DATABASE_URL is a pooler that does not take the settings of a session."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"DATABASE_URL is the address of a pooler without sessions ({detail}): set "
            "CRM_DATABASE_POOLER=transaction, and CRM_DATABASE_DIRECT_URL to the address of the "
            "database itself"
        )


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
    plans: Mapping[str, str] = ANY_PLAN,
) -> asyncpg.Pool:
    """Return a pool whose connections convert json and jsonb to Python values.

    The caller closes it; `pooled` does that at the end of a block.
    """
    use_keys(settings, open_store)
    return await _create_pool(settings, application_name, size=size, role=role, plans=plans)


async def open_store(settings: DatabaseSettings) -> asyncpg.Pool:
    """Return a pool of the key store's own database. Idle connections close themselves."""
    return await _create_pool(settings, "crm keys", size=None, role=WORKER_ROLE, min_size=0)


async def _create_pool(
    settings: DatabaseSettings,
    application_name: str,
    *,
    size: int | None,
    role: str | None,
    plans: Mapping[str, str] = ANY_PLAN,
    min_size: int = 1,
) -> asyncpg.Pool:
    announcer, joined_appends = Announcer(), JoinedAppends()
    with _explain_pooler():
        announcer.sender = await asyncpg.create_pool(
            settings.dsn,
            min_size=min_size,
            max_size=size or settings.pool_size,
            init=partial(
                _prepare_connection, role=role, announcer=announcer, joined_appends=joined_appends
            ),
            timeout=CONNECT_SECONDS,
            command_timeout=response_timeout_seconds(settings),
            **_driver_options(settings, application_name, role, plans),
        )
    return announcer.sender


@asynccontextmanager
async def pooled(
    settings: DatabaseSettings,
    application_name: str,
    *,
    size: int | None = None,
    role: str | None = WORKER_ROLE,
    plans: Mapping[str, str] = ANY_PLAN,
) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool for the duration of a block."""
    pool = await open_pool(settings, application_name, size=size, role=role, plans=plans)
    try:
        yield pool
    finally:
        await pool.close()


async def connect(
    settings: DatabaseSettings, application_name: str, *, role: str | None = WORKER_ROLE
) -> asyncpg.Connection:
    """Open one connection outside any pool, for work that keeps it long (sequencer, liveness)."""
    use_keys(settings, open_store)
    with _explain_pooler():
        connection: asyncpg.Connection = await asyncpg.connect(
            settings.dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=response_timeout_seconds(settings),
            **_driver_options(settings, application_name, role),
        )
    try:
        await _prepare_connection(connection, role=role)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _driver_options(
    settings: DatabaseSettings,
    application_name: str,
    role: str | None,
    plans: Mapping[str, str] = ANY_PLAN,
) -> dict[str, Any]:
    """Return the arguments of asyncpg that differ behind a pooler."""
    values = {**session_settings(settings, application_name, role), **plans}
    if settings.database_pooler == "none":
        return {"server_settings": values, "connection_class": SessionlessConnection}
    return {"connection_class": pooler_connection_class(values), **NO_CACHED_STATEMENTS}


@contextmanager
def _explain_pooler() -> Iterator[None]:
    """Raise `PoolerSettingMissing` if a pooler refuses the start-up parameters."""
    try:
        yield
    except asyncpg.ProtocolViolationError as error:
        if "startup parameter" not in str(error):
            raise
        raise PoolerSettingMissing(str(error)) from error


async def _prepare_connection(
    connection: "asyncpg.Connection | PoolConnectionProxy",
    *,
    role: str | None,
    announcer: Announcer | None = None,
    joined_appends: JoinedAppends | None = None,
) -> None:
    """Register the codecs. Raise `PoolerSettingMissing` if the connection has another role.

    A pooler can drop start-up parameters silently. Then row level security would hide all rows.
    """
    if isinstance(connection, AnnouncingConnection):
        connection.announcer, connection.joined_appends = announcer, joined_appends
    async with connection.transaction():
        await register_json_codecs(connection)
        name = await connection.fetchval("SELECT current_user::text")
    if role is not None and name != role:
        raise PoolerSettingMissing(f"the role is {name} instead of {role}")


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


def open_engine(
    settings: DatabaseSettings,
    application_name: str,
    *,
    size: int | None = None,
    role: str | None = WORKER_ROLE,
) -> AsyncEngine:
    """Return a SQLAlchemy engine with the same session settings. The caller disposes of it."""
    use_keys(settings, open_store)
    return create_async_engine(
        sqlalchemy_url(settings.dsn),
        pool_size=size or settings.pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,  # in the texts of errors
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": response_timeout_seconds(settings),
            **_driver_options(settings, application_name, role),
            **({} if settings.database_pooler == "none" else NO_CACHED_STATEMENTS_OF_SQLALCHEMY),
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


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
