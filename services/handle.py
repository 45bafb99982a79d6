"""The only write path: read, decide, append, in one transaction, again where a race was lost."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from pydantic import ValidationError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from events.event import Event
from events.log import commands, sequencer
from events.log.append import Appended
from events.log.commands import Command, CommandReused
from events.log.errors import ClaimTaken, Conflict, IdReused, LimitExceeded, WrongProperty
from events.log.shard import shard_of
from events.log.token import Token
from events.record import Cause
from services.deciders.decider import Refused
from services.handling.proposal import agree, recognised
from services.handling.unit import Scope, Unit
from services.runtime.metrics import APPENDED

T = TypeVar("T")
Database: TypeAlias = "asyncpg.Pool | asyncpg.Connection"
Work: TypeAlias = Callable[[Unit], Awaitable[T]]

ATTEMPTS = 8
PAUSE_SECONDS = 0.05

_RACED = (
    Conflict, ClaimTaken, asyncpg.SerializationError, asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
)  # fmt: skip


class Outrun(Conflict):
    """Others kept changing the same things while this was decided: try again."""

    def __init__(self) -> None:
        Exception.__init__(self, self.__doc__)


@dataclass(frozen=True, slots=True)
class Handled(Generic[T]):
    """What a transaction came to. `result` is JSON where the command had an id, as it may be
    the kept answer of the first time (`repeated`); `token` is null where nothing was there."""

    result: T
    token: Token | None
    appended: Appended
    events: tuple[tuple[UUID, Event], ...] = ()
    repeated: bool = False


async def handle(
    database: Database, scope: Scope, command: object, *, once: Command | None = None
) -> Handled[None]:
    """Decide one command and append what it decides. Raises `Refused`, `Conflict`."""

    async def work(unit: Unit) -> None:
        await unit.do(command)

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
    the same each time; `once` has one. `work` is begun again where a race was lost, so it must not
    do anything but decide. Raises `Refused`, and `Conflict` where races keep being lost.
    """
    seed = seed or (once.id if once else None)
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
        raise Outrun from raced
    raise Outrun


async def handle_proposal(
    database: Database,
    event: Event,
    *,
    event_id: UUID,
    org_id: UUID,
    property_id: UUID,
    occurred_at: datetime,
    cause: Cause,
) -> Appended:
    """Append what a producer says happened, where the core decides the very same.

    What else the core decides with it is appended too. An event the log has already is known and
    not decided again. Raises `UnknownSubject` (a `Refused`) where what it is about has not begun,
    `Refused` with a code, `Conflict` where races keep being lost.
    """

    async def work(unit: Unit) -> bool:
        known = await recognised(unit.conn, event, event_id)
        if not known:
            await agree(unit, event, event_id)
        return known

    scope = Scope(org_id, property_id, occurred_at, cause)
    handled = await transact(database, scope, work, seed=event_id)
    return Appended((), (event_id,)) if handled.result else handled.appended


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
            return _as_before(known)
        unit = Unit(database, scope, seed)
        outcome: Handled[T] | Refused
        try:
            async with database.transaction():
                outcome = await _carry_out(unit, work)
        except Refused as refused:
            if once is None:
                raise
            outcome = refused
        if once is not None and (ends or isinstance(outcome, Refused)):
            await commands.settle(database, once, _kept(outcome))
    if isinstance(outcome, Refused):
        raise outcome
    fresh = set(outcome.appended.new)
    for key, event in outcome.events:
        if key in fresh:
            APPENDED.labels(event.name).inc()
    return outcome


async def _carry_out(unit: Unit, work: Work[T]) -> Handled[T]:
    """Raises `Refused` for everything that would be refused again."""
    try:
        result = await work(unit)
        appended = await unit.append()
    except IdReused as error:
        raise Refused(error.code, str(error), 422) from error
    except LimitExceeded as error:
        raise Refused(error.code, str(error), 400) from error
    except WrongProperty as error:
        raise Refused(error.code, str(error), 404) from error
    except ValidationError as error:
        raise Refused("invalid", _problems(error), 400) from error
    events = tuple(unit.events)
    last = events[-1][0] if events else unit.last_read
    token = None if last is None else await _token(unit, last)
    return Handled(result, token, appended, events)


async def _token(unit: Unit, event_id: UUID) -> Token:
    state = await sequencer.state(unit.conn)
    return Token(state.generation, shard_of(unit.scope.property_id), event_id)


async def _claim(conn: asyncpg.Connection, once: Command) -> Any | None:
    try:
        return await commands.claim(conn, once)
    except CommandReused as reused:
        raise Refused("idempotency_key_reused", str(reused), 422) from reused


def _kept(outcome: Handled[Any] | Refused) -> dict[str, Any]:
    """An outcome as JSON, from which a repeat is answered."""
    if isinstance(outcome, Handled):
        return {
            "result": outcome.result,
            "token": str(outcome.token) if outcome.token else None,
        }
    return {
        "refused": {
            "code": outcome.code,
            "message": outcome.message,
            "status": outcome.status,
            "details": outcome.details,
        }
    }


def _as_before(known: dict[str, Any]) -> Handled[Any]:
    if "refused" in known:
        raise Refused(**known["refused"])
    token = Token.parse(known["token"]) if known["token"] else None
    return Handled(known["result"], token, Appended((), ()), repeated=True)


def _problems(error: ValidationError) -> str:
    """What is wrong, by field, without the values."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:5])
