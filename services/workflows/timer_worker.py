"""A worker of timers: it claims what is due and moves it, a batch of one property at a time.

A batch is one transaction: its timers are claimed, their commands are decided and all events are
appended. If a batch fails, its timers are done one by one, so a bad one cannot hold back the
others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, cast
from uuid import UUID

import asyncpg

from events.log import timers
from events.log.error_text import describe_error
from events.log.errors import Conflict
from events.log.timers import DueTimer, PropertyTaken, TimerBacklog
from events.record import Cause
from events.timers import TimerKind
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.event_signal import EventSignal, PollPause
from services.runtime.logging import get_logger

POLL_SECONDS = 0.5
IDLE_SECONDS = 1.0
"""Longest time between two looks while no events come and no timer is known to be due."""
MIN_PAUSE_SECONDS = 0.05
CAUSE = Cause(actor="timer")
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)
ERROR_DELAY = timedelta(minutes=1)
MAX_ERROR_DELAY = timedelta(hours=1)

log = get_logger("timers")


class TimerReport(NamedTuple):
    """The result of a due timer: again at `retry_at`, or `is_idle` if nothing is left to do."""

    is_idle: bool = False
    retry_at: datetime | None = None
    reason: str | None = None


Move = Callable[[UnitOfWork, DueTimer], Awaitable[TimerReport]]
ReadAhead = Callable[[UnitOfWork, Sequence[DueTimer]], Awaitable[None]]


async def _read_nothing(uow: UnitOfWork, claimed: Sequence[DueTimer]) -> None:
    """Let each timer read what it needs."""


@dataclass(frozen=True, slots=True)
class TimerWorker:
    """A worker of the timers of one kind; `move` does one of them in a unit of work.

    `read_ahead` reads what all timers of a batch need, with few queries.
    """

    pool: asyncpg.Pool
    kind: TimerKind
    move: Move
    read_ahead: ReadAhead = _read_nothing

    async def run(
        self, stop: asyncio.Event, clock: Clock, signal: EventSignal | None = None
    ) -> None:
        """Do what is due, until stopped."""
        backlog = TimerBacklog(self.kind)
        pause = PollPause(signal or EventSignal(), POLL_SECONDS, IDLE_SECONDS)
        while not stop.is_set():
            pause.begin_look()
            try:
                moved = await self.move_due(backlog, clock.now())
            except RETRY_ERRORS as error:
                log.warning("timers.database_away", error=error, is_retry=True)
                moved = 0
            if not moved:
                seconds = max(MIN_PAUSE_SECONDS, backlog.seconds_to_next(clock.now()))
                await pause.wait(stop, seconds)

    async def move_due(self, backlog: TimerBacklog, now: datetime) -> int:
        """Do one batch of due timers; return how many were claimed, 0 if none is due."""
        batch = backlog.take()
        if batch is None:
            async with self.pool.acquire() as conn:
                await backlog.look(cast("asyncpg.Connection", conn), now)
            batch = backlog.take()
        while batch is not None:
            try:
                if moved := await self._move_batch(*batch, now):
                    return moved
            except PropertyTaken:
                backlog.forget(batch[0])
            batch = backlog.take()
        return 0

    async def _move_batch(self, property_id: UUID, ids: Sequence[UUID], now: datetime) -> int:
        """Do the timers in one transaction; after an error do them one by one."""
        try:
            return await self._move_claimed(property_id, ids, now)
        except (*RETRY_ERRORS, PropertyTaken):
            raise
        except Exception as error:  # noqa: BLE001 — an edge: each timer is tried alone
            text = describe_error(error)
            log.warning("timers.batch_failed", kind=self.kind.value, error=text, is_retry=True)
        return sum([await self._move_alone(property_id, key, now) for key in ids])

    async def _move_alone(self, property_id: UUID, entity_id: UUID, now: datetime) -> int:
        """Do one timer. If it fails, it comes again later, with the error for operators."""
        try:
            return await self._move_claimed(property_id, [entity_id], now)
        except (*RETRY_ERRORS, PropertyTaken):
            raise
        except Exception as error:  # noqa: BLE001 — an edge: the timer keeps the error
            text = describe_error(error)
            log.error(
                "timers.failed", kind=self.kind.value, entity_id=str(entity_id), error=text,
                is_retry=True,
            )  # fmt: skip
            is_conflict = isinstance(error, Conflict)
            async with self.pool.acquire() as pooled_conn, pooled_conn.transaction():
                conn = cast("asyncpg.Connection", pooled_conn)
                for timer in await timers.claim(conn, self.kind, property_id, [entity_id], now):
                    delay = min(ERROR_DELAY * 2**timer.attempts, MAX_ERROR_DELAY)
                    await timers.postpone(conn, timer, now + delay, None if is_conflict else text)
            return 1

    async def _move_claimed(self, property_id: UUID, ids: Sequence[UUID], now: datetime) -> int:
        """Claim the timers and do them, in one transaction. Return how many were claimed."""
        async with self.pool.acquire() as pooled_conn, pooled_conn.transaction():
            conn = cast("asyncpg.Connection", pooled_conn)
            claimed = await timers.claim(conn, self.kind, property_id, ids, now)
            if not claimed:
                return 0

            async def work(uow: UnitOfWork) -> list[tuple[DueTimer, TimerReport]]:
                await self.read_ahead(uow, claimed)
                return [(timer, await self.move(uow, timer)) for timer in claimed]

            scope = Scope(claimed[0].org_id, property_id, now, CAUSE)
            reports = (await transact(conn, scope, work)).result
            await timers.remove(conn, [timer for timer, report in reports if report.is_idle])
            for timer, report in reports:
                if report.retry_at is not None and not report.is_idle:
                    await timers.postpone(conn, timer, report.retry_at, report.reason)
        return len(claimed)
