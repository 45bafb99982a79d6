"""The command handler, the only write path: read, decide and append in one transaction."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from events.log import commands, sequencer
from events.log.commands import CommandId, CommandReused
from events.log.errors import ClaimTaken, Conflict
from events.log.shard import shard_of
from events.log.staged_changes import has_changes
from events.log.token import Token
from services.application.command_result import (
    CommandResult,
    decode_outcome,
    encode_outcome,
    subjects_of,
)
from services.application.permanent_errors import (
    erased_result_as_refusal,
    permanent_errors_as_refusals,
)
from services.application.staged_first import StagedChangesFirst, attempt_after_staged
from services.application.stream_reads import Histories
from services.application.unit_of_work import Scope, TransactionNeeded, UnitOfWork
from services.deciders.decider import Refused
from services.runtime.metrics import APPENDED

T = TypeVar("T")
Database: TypeAlias = "asyncpg.Pool | asyncpg.Connection"
Work: TypeAlias = Callable[[UnitOfWork], Awaitable[T]]

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
    assumed: Histories | None = None,
) -> CommandResult[T]:
    """Let `work` execute commands in one transaction and append their events.

    With a `command_id`, a repetition gets the stored result of the first execution, a refusal
    included; the result must be JSON then. With `is_final` False the id is claimed and no result
    is stored, because the command continues in another transaction. Event ids are derived from
    `seed`, by default from a command id that never expires. (An id that expires may come again
    with another content, and an event id must never.)

    `is_plain` says that `work` mostly appends events that change only the log. Then it runs first
    without a transaction, and they are appended in one statement; what needs a transaction begins
    again in one. The first run does not read the streams in `assumed`, the `histories` of a command
    just before: if another one has changed them, its append writes nothing.

    `work` runs again after a conflict, so it must have no effects but its commands. Raises
    `Refused`, and `Conflict` if every attempt had one.
    """
    seed = seed or (command_id.seed() if command_id else None)
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
                if is_plain and command_id is None and isinstance(database, asyncpg.Pool):
                    is_plain = False  # once: whatever stops it is for a transaction
                    with suppress(TransactionNeeded, StagedChangesFirst):
                        return await _append_plain(database, scope, work, is_final, seed, assumed)
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


async def _append_plain(
    pool: asyncpg.Pool,
    scope: Scope,
    work: Work[T],
    is_final: bool,
    seed: UUID | None,
    assumed: Histories | None,
) -> CommandResult[T]:
    """Run the work without a transaction. Raises `TransactionNeeded` and `StagedChangesFirst`."""
    async with pool.acquire() as conn:
        uow = UnitOfWork(cast("asyncpg.Connection", conn), scope, seed, assumed)
        try:
            outcome = await _run(uow, work, is_final, sees_host=False)
        except Refused:
            if assumed:  # nothing has checked what was assumed
                raise TransactionNeeded from None
            raise
    if assumed and not outcome.events:
        raise TransactionNeeded
    _count_appended(outcome)
    return replace(outcome, histories=uow.histories())


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
            outcome = await _run(uow, work, is_final, sees_host)
        else:
            outcome = await _run_claimed(uow, work, command_id, is_final, sees_host)
    if isinstance(outcome, Refused):
        raise outcome
    _count_appended(outcome)
    return outcome


def _count_appended(outcome: CommandResult[Any]) -> None:
    """Count the events after their commit; an event that the log had already does not count."""
    fresh = set(outcome.append_result.new)
    names = Counter(event.name for event_id, event in outcome.events if event_id in fresh)
    for name, number in names.items():
        APPENDED.labels(name).inc(number)


async def _run_claimed(
    uow: UnitOfWork, work: Work[T], command_id: CommandId, is_final: bool, sees_host: bool
) -> CommandResult[T] | Refused:
    """Run the work and store its result, or its refusal, under its command id."""
    outcome: CommandResult[T] | Refused
    try:
        # A savepoint: a refusal rolls back the events, but not the claim of the command id,
        # under which the refusal is stored.
        async with uow.conn.transaction():
            outcome = await _run(uow, work, is_final, sees_host)
    except Refused as refused:
        outcome = refused
    if is_final or isinstance(outcome, Refused):
        subject_ids = (*subjects_of(outcome), uow.scope.property_id)
        await commands.settle(uow.conn, command_id, encode_outcome(outcome), subject_ids)
    return outcome


async def _run(uow: UnitOfWork, work: Work[T], is_final: bool, sees_host: bool) -> CommandResult[T]:
    """Run the work and append its events. Raises `Refused` for every permanent error.

    Unless `sees_host`, raise `StagedChangesFirst` if nothing is appended although changes wait.
    """
    try:
        with permanent_errors_as_refusals():
            result = await work(uow)
            append_result = await uow.append()
    except Refused:
        if not sees_host and await has_changes(uow.conn, [uow.scope.property_id]):
            raise StagedChangesFirst from None
        raise
    events = tuple(uow.events)
    if not (events or sees_host) and await has_changes(uow.conn, [uow.scope.property_id]):
        raise StagedChangesFirst
    last = events[-1][0] if events else uow.last_read
    token = None if last is None else await _token(uow, last)
    return CommandResult(result, token, append_result, events, result if is_final else None)


async def _token(uow: UnitOfWork, event_id: UUID) -> Token:
    generation = uow.generation
    if generation is None:
        generation = (await sequencer.read_log_state(uow.conn)).generation
    return Token(generation, shard_of(uow.scope.property_id), event_id)


async def _claim(conn: asyncpg.Connection, command_id: CommandId) -> Any | None:
    try:
        with erased_result_as_refusal():
            return await commands.claim(conn, command_id)
    except CommandReused as error:
        raise Refused("idempotency_key_reused", str(error), 422) from error
