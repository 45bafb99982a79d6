"""Attempts of a command in a transaction: claim its id, append its events, store its result."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from events.log import commands
from events.log.append import append_staged
from events.log.commands import CommandId, CommandReused
from events.log.errors import ClaimTaken, Conflict
from services.application.command_result import (
    CommandResult,
    decode_outcome,
    encode_outcome,
    subjects_of,
)
from services.application.permanent_errors import erased_result_as_refusal
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused

T = TypeVar("T")
Database: TypeAlias = "asyncpg.Pool | asyncpg.Connection"

ATTEMPTS = 8
PAUSE_SECONDS = 0.05

CONFLICTS = (
    Conflict, ClaimTaken, asyncpg.SerializationError, asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
)  # fmt: skip


class TooManyConflicts(Conflict):
    """Other commands changed the same streams during every attempt: try again."""

    def __init__(self) -> None:
        Exception.__init__(self, self.__doc__)


class StagedChangesFirst(Exception):
    """Changes of the host wait, and the command would be refused or do nothing without them."""


@dataclass(frozen=True, slots=True)
class CommandTransaction(Generic[T]):
    """A command that is executed in a transaction, and again after each conflict.

    `execute` runs its work and appends its events; its second argument tells whether the log has
    all changes of the host. Ids of events are derived from `seed`. With `is_final` False the
    command id is claimed and no result is stored.
    """

    scope: Scope
    execute: Callable[[UnitOfWork, bool], Awaitable[CommandResult[T]]]
    command_id: CommandId | None
    seed: UUID | None
    is_final: bool

    async def run(self, database: Database) -> CommandResult[T]:
        """Return the result. Raises `Refused`, and `Conflict` if every attempt had one."""
        # Nothing is locked while a command is decided: the first transaction to append wins, the
        # others decide again on its events. The random pause makes a second collision unlikely.
        attempts = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random(0, PAUSE_SECONDS),
            retry=retry_if_exception_type(CONFLICTS),
            reraise=True,
        )
        try:
            return await attempts(self._attempt_after_staged, database)
        except ClaimTaken as error:
            # The owner of the claim is not going to release it: a refusal, not a conflict.
            raise Refused("claim_taken", str(error), 409) from error
        except Conflict:
            raise
        except CONFLICTS as error:
            raise TooManyConflicts from error

    async def _attempt_after_staged(self, database: Database) -> CommandResult[T]:
        """Make an attempt; again if it would append nothing and changes of the host waited.

        An append writes such changes first and fails with a conflict if they matter. A refusal,
        and a command without events, append nothing: they must not rest on a log without these
        changes.
        """
        if isinstance(database, asyncpg.Pool):
            async with database.acquire() as conn:
                # A pool's connection is a proxy with all methods of a connection.
                return await self._attempt_after_staged(cast("asyncpg.Connection", conn))
        try:
            return await self._attempt(database, sees_host=False)
        except StagedChangesFirst:
            async with database.transaction():
                await append_staged(database, [self.scope.property_id])
        return await self._attempt(database, sees_host=True)

    async def _attempt(self, conn: asyncpg.Connection, sees_host: bool) -> CommandResult[T]:
        outcome: CommandResult[T] | Refused
        async with conn.transaction():
            uow = UnitOfWork(conn, self.scope, self.seed)
            if self.command_id is None:
                return await self.execute(uow, sees_host)
            # The claim comes first: a repetition that runs at the same time waits here for the end
            # of this transaction and then gets the result below, without deciding anything.
            if (stored := await _claim(conn, self.command_id)) is not None:
                return decode_outcome(stored)
            outcome = await self._execute_claimed(uow, self.command_id, sees_host)
        if isinstance(outcome, Refused):
            raise outcome
        return outcome

    async def _execute_claimed(
        self, uow: UnitOfWork, command_id: CommandId, sees_host: bool
    ) -> CommandResult[T] | Refused:
        """Execute the command and store its result, or its refusal, under its id."""
        outcome: CommandResult[T] | Refused
        try:
            # A savepoint: a refusal rolls back the events, but not the claim of the command id,
            # under which the refusal is stored.
            async with uow.conn.transaction():
                outcome = await self.execute(uow, sees_host)
        except Refused as refused:
            outcome = refused
        if self.is_final or isinstance(outcome, Refused):
            subject_ids = (*subjects_of(outcome), self.scope.property_id)
            await commands.settle(uow.conn, command_id, encode_outcome(outcome), subject_ids)
        return outcome


async def _claim(conn: asyncpg.Connection, command_id: CommandId) -> Any | None:
    try:
        with erased_result_as_refusal():
            return await commands.claim(conn, command_id)
    except CommandReused as error:
        raise Refused("idempotency_key_reused", str(error), 422) from error
