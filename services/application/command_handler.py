"""The command handler, the only write path: read, decide and append in one transaction."""

from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from events.log import commands
from events.log.commands import CommandId, CommandReused
from events.log.errors import ClaimTaken, Conflict
from services.application.command_result import (
    CommandResult,
    decode_outcome,
    encode_outcome,
    subjects_of,
)
from services.application.command_work import Work, count_appended, execute_work
from services.application.permanent_errors import (
    erased_result_as_refusal,
)
from services.application.plain_commands import append_plain_command
from services.application.scope import Scope
from services.application.staged_first import StagedChangesFirst, attempt_after_staged
from services.application.stream_cache import StreamCache
from services.application.unit_of_work import TransactionNeeded, UnitOfWork
from services.deciders.decider import Refused

T = TypeVar("T")
Database: TypeAlias = "asyncpg.Pool | asyncpg.Connection"

ATTEMPTS = 8
PAUSE_SECONDS = 0.05

_CONFLICTS = (
    Conflict, ClaimTaken, asyncpg.SerializationError, asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
)  # fmt: skip


class TooManyConflicts(Conflict):
    """Other commands changed the same streams during every attempt: try again."""

    def __init__(self) -> None:
        Exception.__init__(self, self.__doc__)


async def transact(
    database: Database,
    scope: Scope,
    work: Work[T],
    *,
    command_id: CommandId | None = None,
    is_final: bool = True,
    seed: UUID | None = None,
    is_plain: bool = False,
    cache: StreamCache | None = None,
) -> CommandResult[T]:
    """Let `work` execute commands in one transaction and append their events.

    With a `command_id`, a repetition gets the stored result of the first execution, a refusal
    included; the result must be JSON then. With `is_final` False the id is claimed and no result
    is stored, because the command continues in another transaction. Event ids are derived from
    `seed`, by default from a command id that never expires. (An id that expires may come again
    with another content, and an event id must never.)

    `is_plain` says that `work` mostly appends events that change only the log. Then it runs first
    without a transaction, and they are appended in one statement; what needs a transaction begins
    again in one. The first run does not read the streams that `cache` remembers: if another process
    has changed them, its append writes nothing, and they are read.

    `work` runs again after a conflict, so it must have no effects but its commands. Raises
    `Refused`, and `Conflict` if every attempt had one.
    """
    seed = seed or (command_id.seed() if command_id else None)
    if is_plain and command_id is None and isinstance(database, asyncpg.Pool):
        with suppress(TransactionNeeded, StagedChangesFirst, *_CONFLICTS):
            return await append_plain_command(database, scope, work, is_final, seed, cache)
    try:
        # Nothing is locked while a command is decided: the first transaction to append wins, the
        # others decide again on its events. The random pause makes a second collision unlikely.
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random(0, PAUSE_SECONDS),
            retry=retry_if_exception_type(_CONFLICTS),
            reraise=True,
        ):
            with attempt:
                return await attempt_after_staged(
                    database, scope.property_id,
                    partial(_attempt, database, scope, work, command_id, is_final, seed),
                )  # fmt: skip
    except ClaimTaken as error:
        # The owner of the claim is not going to release it: a refusal, not a conflict.
        raise Refused("claim_taken", str(error), 409) from error
    except Conflict:
        raise
    except _CONFLICTS as error:
        raise TooManyConflicts from error
    raise TooManyConflicts


async def _attempt(
    database: Database,
    scope: Scope,
    work: Work[T],
    command_id: CommandId | None,
    is_final: bool,
    seed: UUID | None,
    sees_host: bool,
) -> CommandResult[T]:
    if isinstance(database, asyncpg.Pool):
        async with database.acquire() as conn:
            # A pool's connection is a proxy with all methods of a connection.
            proxied = cast("asyncpg.Connection", conn)
            return await _attempt(proxied, scope, work, command_id, is_final, seed, sees_host)
    outcome: CommandResult[T] | Refused
    async with database.transaction():
        # The claim comes first: a repetition that runs at the same time waits here for the end of
        # this transaction and then gets the result below, without deciding anything.
        if command_id is not None and (stored := await _claim(database, command_id)) is not None:
            return decode_outcome(stored)
        uow = UnitOfWork(database, scope, seed)
        if command_id is None:
            outcome = await execute_work(uow, work, is_final, sees_host)
        else:
            outcome = await _run_claimed(uow, work, command_id, is_final, sees_host)
    if isinstance(outcome, Refused):
        raise outcome
    count_appended(outcome)
    return outcome


async def _run_claimed(
    uow: UnitOfWork, work: Work[T], command_id: CommandId, is_final: bool, sees_host: bool
) -> CommandResult[T] | Refused:
    """Run the work and store its result, or its refusal, under its command id."""
    outcome: CommandResult[T] | Refused
    try:
        # A savepoint: a refusal rolls back the events, but not the claim of the command id,
        # under which the refusal is stored.
        async with uow.conn.transaction():
            outcome = await execute_work(uow, work, is_final, sees_host)
    except Refused as refused:
        outcome = refused
    if is_final or isinstance(outcome, Refused):
        subject_ids = (*subjects_of(outcome), uow.scope.property_id)
        await commands.settle(uow.conn, command_id, encode_outcome(outcome), subject_ids)
    return outcome


async def _claim(conn: asyncpg.Connection, command_id: CommandId) -> Any | None:
    try:
        with erased_result_as_refusal():
            return await commands.claim(conn, command_id)
    except CommandReused as error:
        raise Refused("idempotency_key_reused", str(error), 422) from error
