"""The command handler, the only write path: read, decide and append."""

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg

from events.log import sequencer
from events.log.commands import CommandId
from events.log.shard import shard_of
from events.log.staged_changes import has_changes
from events.log.token import Token
from services.application.command_result import MAX_EVENT_IDS, CommandResult
from services.application.command_transaction import (
    CONFLICTS,
    CommandTransaction,
    Database,
    StagedChangesFirst,
)
from services.application.permanent_errors import PERMANENT_ERRORS, refusal_of
from services.application.preview_connection import PreviewConnection
from services.application.scope import Scope
from services.application.stream_cache import StreamCache
from services.application.unit_of_work import TransactionNeeded, UnitOfWork
from services.deciders.decider import Refused
from services.runtime.metrics import APPENDED
from services.runtime.tracing import span

T = TypeVar("T")
Work: TypeAlias = Callable[[UnitOfWork], Awaitable[T]]


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

    async def execute(uow: UnitOfWork, sees_host: bool) -> CommandResult[T]:
        return await _execute_work(uow, work, is_final, sees_host)

    if is_plain and command_id is None and isinstance(database, asyncpg.Pool):
        with suppress(TransactionNeeded, StagedChangesFirst, *CONFLICTS):
            return _count(await _execute_plain(database, scope, work, is_final, seed, cache))
    transaction = CommandTransaction(scope, execute, command_id, seed, is_final)
    outcome = await transaction.run(database)
    return outcome if isinstance(database, PreviewConnection) else _count(outcome)


async def _execute_plain(
    pool: asyncpg.Pool,
    scope: Scope,
    work: Work[T],
    is_final: bool,
    seed: UUID | None,
    cache: StreamCache | None,
) -> CommandResult[T]:
    """Run the work without a transaction. Raises `TransactionNeeded` and `StagedChangesFirst`."""
    async with pool.acquire() as conn:
        for _ in range(2):  # the second time without the streams that were remembered
            uow = UnitOfWork(cast("asyncpg.Connection", conn), scope, seed, cache)
            try:
                outcome = await _execute_work(uow, work, is_final, sees_host=False)
            except (Refused, TransactionNeeded, StagedChangesFirst):
                if not uow.remembered:
                    raise
            else:
                # Only an append compares remembered streams with the log.
                if outcome.events or not uow.remembered:
                    uow.remember()
                    return outcome
            if cache is not None:
                cache.forget(scope, uow.remembered)
    raise TransactionNeeded


async def _execute_work(
    uow: UnitOfWork, work: Work[T], is_final: bool, sees_host: bool
) -> CommandResult[T]:
    """Run the work and append its events. Raises `Refused` for every permanent error.

    Unless `sees_host`, raise `StagedChangesFirst` if nothing is appended although changes wait.
    """
    try:
        result = await work(uow)
        with span("append", events=len(uow.events)):
            append_result = await uow.append()
    except PERMANENT_ERRORS as error:
        if not sees_host and await has_changes(uow.conn, [uow.scope.property_id]):
            raise StagedChangesFirst from None
        if isinstance(error, Refused):
            raise
        raise refusal_of(error) from error
    events = tuple(uow.events)
    if not (events or sees_host) and await has_changes(uow.conn, [uow.scope.property_id]):
        raise StagedChangesFirst
    last = events[-1][0] if events else uow.last_read
    token = None if last is None else await _token(uow, last)
    event_ids = tuple(event_id for event_id, _ in events[:MAX_EVENT_IDS])
    stored = result if is_final else None
    return CommandResult(result, token, append_result, events, stored, event_ids=event_ids)


async def _token(uow: UnitOfWork, event_id: UUID) -> Token:
    generation = uow.generation
    if generation is None:
        generation = (await sequencer.read_log_state(uow.conn)).generation
    return Token(generation, shard_of(uow.scope.property_id), event_id)


def _count(outcome: CommandResult[T]) -> CommandResult[T]:
    """Count the events after their commit; an event that the log had already does not count."""
    fresh = set(outcome.append_result.new)
    names = Counter(event.name for event_id, event in outcome.events if event_id in fresh)
    for name, number in names.items():
        APPENDED.labels(name).inc(number)
    return outcome
