"""The only write path: read, decide, append, in one transaction, again where a race was lost."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from events.log import commands, sequencer
from events.log.commands import Command, CommandReused
from events.log.errors import ClaimTaken, Conflict
from events.log.shard import shard_of
from events.log.token import Token
from services.application.command_result import Handled, as_before, kept
from services.application.refusals import as_refusals
from services.application.unit_of_work import Scope, UnitOfWork
from services.deciders.decider import Refused
from services.runtime.metrics import APPENDED

T = TypeVar("T")
Database: TypeAlias = "asyncpg.Pool | asyncpg.Connection"
Work: TypeAlias = Callable[[UnitOfWork], Awaitable[T]]

ATTEMPTS = 8
PAUSE_SECONDS = 0.05

_RACED = (
    Conflict, ClaimTaken, asyncpg.SerializationError, asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
)  # fmt: skip


class TooManyConflicts(Conflict):
    """Others kept changing the same things while this was decided: try again."""

    def __init__(self) -> None:
        Exception.__init__(self, self.__doc__)


async def handle(
    database: Database, scope: Scope, command: object, *, once: Command | None = None
) -> Handled[None]:
    """Decide one command and append what it decides. Raises `Refused`, `Conflict`."""

    async def work(uow: UnitOfWork) -> None:
        await uow.do(command)

    return await transact(database, scope, work, once=once)


async def transact(
    database: Database,
    scope: Scope,
    work: Work[T],
    *,
    once: Command | None = None,
    ends: bool = True,
    seed: UUID | None = None,
) -> Handled[T]:
    """Let `work` decide commands in one transaction and append what they decide.

    With `once` a repeat is answered as the first time, refusals too; `ends` False claims the id
    without ending it, for work that goes on in another transaction. `seed` makes the ids of events
    the same each time; `once` has one where it is kept for ever: afterwards its id may come with
    another content, and ids of events never may. `work` is begun again where a race was lost, so it
    must not do anything but decide. Raises `Refused`, and `Conflict` where races keep being lost.
    """
    seed = seed or (once.seed() if once else None)
    try:
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random(0, PAUSE_SECONDS),
            retry=retry_if_exception_type(_RACED),
            reraise=True,
        ):
            with attempt:
                return await _attempt(database, scope, work, once, ends, seed)
    except ClaimTaken as taken:
        raise Refused("claim_taken", str(taken), 409) from taken
    except Conflict:
        raise
    except _RACED as raced:
        raise TooManyConflicts from raced
    raise TooManyConflicts


async def _attempt(
    database: Database,
    scope: Scope,
    work: Work[T],
    once: Command | None,
    ends: bool,
    seed: UUID | None,
) -> Handled[T]:
    if isinstance(database, asyncpg.Pool):
        async with database.acquire() as conn:
            # A pool's connection forwards all of the connection's own methods.
            proxied = cast("asyncpg.Connection", conn)
            return await _attempt(proxied, scope, work, once, ends, seed)
    async with database.transaction():
        if once is not None and (known := await _claim(database, once)) is not None:
            return as_before(known)
        uow = UnitOfWork(database, scope, seed)
        outcome: Handled[T] | Refused
        try:
            async with database.transaction():
                outcome = await _carry_out(uow, work)
        except Refused as refused:
            if once is None:
                raise
            outcome = refused
        if once is not None and (ends or isinstance(outcome, Refused)):
            await commands.settle(database, once, kept(outcome))
    if isinstance(outcome, Refused):
        raise outcome
    fresh = set(outcome.appended.new)
    for key, event in outcome.events:
        if key in fresh:
            APPENDED.labels(event.name).inc()
    return outcome


async def _carry_out(uow: UnitOfWork, work: Work[T]) -> Handled[T]:
    """Raises `Refused` for everything that would be refused again."""
    with as_refusals():
        result = await work(uow)
        appended = await uow.append()
    events = tuple(uow.events)
    last = events[-1][0] if events else uow.last_read
    token = None if last is None else await _token(uow, last)
    return Handled(result, token, appended, events)


async def _token(uow: UnitOfWork, event_id: UUID) -> Token:
    state = await sequencer.state(uow.conn)
    return Token(state.generation, shard_of(uow.scope.property_id), event_id)


async def _claim(conn: asyncpg.Connection, once: Command) -> Any | None:
    try:
        return await commands.claim(conn, once)
    except CommandReused as reused:
        raise Refused("idempotency_key_reused", str(reused), 422) from reused
