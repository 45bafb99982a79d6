"""Commands whose events change only the log: appended in one statement, without a transaction."""

from typing import TypeVar, cast
from uuid import UUID

import asyncpg

from services.application.command_result import CommandResult
from services.application.command_work import Work, count_appended, execute_work
from services.application.scope import Scope
from services.application.staged_first import StagedChangesFirst
from services.application.stream_cache import StreamCache
from services.application.unit_of_work import TransactionNeeded, UnitOfWork
from services.deciders.decider import Refused

T = TypeVar("T")


async def append_plain_command(
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
                outcome = await execute_work(uow, work, is_final, sees_host=False)
            except (Refused, TransactionNeeded, StagedChangesFirst):
                if not uow.remembered:
                    raise
            else:
                # Only an append compares remembered streams with the log.
                if outcome.events or not uow.remembered:
                    uow.remember()
                    count_appended(outcome)
                    return outcome
            if cache is not None:
                cache.forget(scope, uow.remembered)
    raise TransactionNeeded
