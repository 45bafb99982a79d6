"""Attempts of a command that wait for changes of the host which are not in the log yet."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import asyncpg

from events.log.append import append_staged
from services.application.command_result import CommandResult

T = TypeVar("T")


class StagedChangesFirst(Exception):
    """Changes of the host wait, and the command would be refused or do nothing without them."""


async def attempt_after_staged(
    database: "asyncpg.Pool | asyncpg.Connection",
    property_id: UUID,
    attempt: Callable[[bool], Awaitable[CommandResult[T]]],
) -> CommandResult[T]:
    """Make an attempt; again if it would append nothing and changes of the host waited.

    An append writes such changes first and fails with a conflict if they matter. A refusal, and a
    command without events, append nothing: they must not rest on a log without these changes.
    """
    try:
        return await attempt(False)
    except StagedChangesFirst:
        if isinstance(database, asyncpg.Pool):
            async with database.acquire() as conn, conn.transaction():
                await append_staged(conn, [property_id])
        else:
            async with database.transaction():
                await append_staged(database, [property_id])
    return await attempt(True)
