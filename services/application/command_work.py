"""The work of a command: decide, append, and name the token of the result."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from events.log import sequencer
from events.log.shard import shard_of
from events.log.staged_changes import has_changes
from events.log.token import Token
from services.application.command_result import CommandResult
from services.application.permanent_errors import permanent_errors_as_refusals
from services.application.staged_first import StagedChangesFirst
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.runtime.metrics import APPENDED

T = TypeVar("T")
Work: TypeAlias = Callable[[UnitOfWork], Awaitable[T]]


async def execute_work(
    uow: UnitOfWork, work: Work[T], is_final: bool, sees_host: bool
) -> CommandResult[T]:
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


def count_appended(outcome: CommandResult[Any]) -> None:
    """Count the events after their commit; an event that the log had already does not count."""
    fresh = set(outcome.append_result.new)
    names = Counter(event.name for event_id, event in outcome.events if event_id in fresh)
    for name, number in names.items():
        APPENDED.labels(name).inc(number)
