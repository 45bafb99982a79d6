"""Checks that a process reaches the servers that it needs, at its start and for /readyz."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from events.bus.brokers import client_options
from services.runtime.database_settings import DatabaseSettings
from services.runtime.health import Check
from services.runtime.settings import Settings

ANSWER_SECONDS = 2.5
"""Time in which a server must answer. A check of /readyz has 3 s, so a process stops being ready
within 5 s after a server stopped answering."""
Need: TypeAlias = Callable[[Settings], Awaitable[str | None]]
"""A server that a process needs: returns why it cannot be reached, else None."""


class UnreachableServer(Exception):
    """A server cannot be reached. The message is one line that says what to do."""


async def find_database_problem(settings: DatabaseSettings) -> str | None:
    """Return why the database does not answer, without its password; None if it does."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            conn = await asyncpg.connect(settings.dsn)
            try:
                await conn.execute("SELECT 1")  # no prepared statement: it may be a pooler
            finally:
                conn.terminate()
    except TimeoutError:
        reason = f"no answer within {ANSWER_SECONDS:g} s"
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = _one_line(error)
    else:
        return None
    address = urlsplit(settings.dsn).netloc.rpartition("@")[2] or "its socket"
    return f"cannot reach the database at {address} ({reason}): start it, or correct DATABASE_URL"


async def find_kafka_problem(servers: str) -> str | None:
    """Return why none of these Kafka brokers answers; None if one does."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            client = AIOKafkaClient(**client_options(servers))
            try:
                await client.bootstrap()
            finally:
                await client.close()
    except TimeoutError:
        reason = f"no answer within {ANSWER_SECONDS:g} s"
    except (OSError, ValueError, KafkaError) as error:
        reason = _one_line(error)
    else:
        return None
    return (
        f"cannot reach Kafka at {servers} ({reason}): start it, or correct KAFKA_BOOTSTRAP_SERVERS"
    )


async def _find_kafka_problem(settings: Settings) -> str | None:
    return await find_kafka_problem(settings.brokers)


DATABASE: Need = find_database_problem
KAFKA: Need = _find_kafka_problem


async def require_servers(settings: Settings, needs: tuple[Need, ...]) -> None:
    """Raise `UnreachableServer` for the first server that does not answer."""
    for need in needs:
        if problem := await need(settings):
            raise UnreachableServer(problem)


def reachability_check(settings: Settings, need: Need) -> Check:
    """Return the check of one server for /readyz."""

    async def check() -> str | None:
        return await need(settings)

    return check


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
