"""The work on one due message: claim it, make one request, append the result."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias, cast
from uuid import UUID

import asyncpg

from events.deliveries import DeliveryChannel
from events.log import timers
from events.log.connection import Connection
from events.log.error_text import describe_error
from events.log.errors import Conflict
from events.log.timers import DueTimer, PropertyTaken
from events.record import Cause
from events.timers import TimerKind
from services.adapters.provider import HandOverResult, NotHandedOver
from services.application.command_handler import transact
from services.application.hand_overs import (
    ClaimedMessage,
    LostHandOver,
    Providers,
    UnsentMessage,
    ask_provider,
    claim_message,
    record_result,
    settle_lost,
)
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.hand_overs import Result
from services.runtime.clock import Clock
from services.runtime.database import (
    CONNECTION_ERRORS,
    TRANSACTION_ERRORS,
    is_fault,
)
from services.runtime.logging import get_logger
from services.sender import metrics
from services.sender.provider_pace import ProviderPace
from services.sender.requests import backoff, command_of, make_request

ACTOR = "sender"
REQUEST_SHARE = 0.5
"""Part of the lease after which a request is given up, so that its result comes within it."""
START_SHARE = 0.25
"""Part of the lease after which a request does not begin any more."""
LOCK_ATTEMPTS, LOCK_PAUSE_SECONDS = 40, 0.05
RESULT_PAUSE_SECONDS = 1.0
RESULT_ATTEMPTS = 600
"""Attempts to append a result while the database does not answer."""
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)
Step: TypeAlias = ClaimedMessage | LostHandOver | UnsentMessage | None

log = get_logger("sender")


class DeliveryWorker:
    """Hands messages over, at most once each. Any number of workers may run."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        providers: Providers,
        clock: Clock,
        lease_seconds: float,
        paces: Mapping[DeliveryChannel, ProviderPace],
    ) -> None:
        self.pool, self.providers, self.clock = pool, providers, clock
        self.lease_seconds = lease_seconds
        self.paces = paces

    async def process(self, property_id: UUID, delivery_id: UUID, turn: asyncio.Lock) -> None:
        """Do what is due for one message. `turn` keeps the claims of a property in order."""
        loop = asyncio.get_running_loop()
        try:
            async with turn:
                started = loop.time()
                step = await self._claim(property_id, delivery_id)
        except RETRY_ERRORS as error:
            # It is not known whether the claim was committed. If so, its lease ends.
            log.warning("sender.database_away", error=error, is_retry=True)
            await asyncio.sleep(RESULT_PAUSE_SECONDS)
            return
        try:
            await self._finish(step, loop.time() - started)
        except Exception as error:  # an edge: its lease ends, then it is looked up
            if is_fault(error):
                raise
            metrics.ERRORS.inc()
            log.error("sender.message_failed", delivery_id=str(delivery_id), error=error)

    async def _finish(self, step: Step, waited_seconds: float) -> None:
        match step:
            case ClaimedMessage():
                await self._hand_over(step, waited_seconds)
            case LostHandOver():
                await self._settle(step)
            case UnsentMessage():
                metrics.NOT_SENT.labels(step.channel, step.ruling, step.code).inc()

    async def _claim(self, property_id: UUID, delivery_id: UUID) -> Step:
        try:
            async with self.pool.acquire() as conn, conn.transaction():
                return await self._claim_with(conn, property_id, delivery_id)
        except RETRY_ERRORS:
            raise
        except Exception as error:  # an edge: one message must not stop the others
            if is_fault(error):
                raise
            metrics.ERRORS.inc()
            log.error("sender.message_failed", delivery_id=str(delivery_id), error=error)
            async with self.pool.acquire() as conn, conn.transaction():
                for timer in await self._timers(conn, property_id, delivery_id):
                    until = self.clock.now() + backoff(timer.attempts)
                    await timers.postpone(conn, timer, until, describe_error(error))
            return None

    async def _claim_with(self, conn: Connection, property_id: UUID, delivery_id: UUID) -> Step:
        claimed = await self._timers(conn, property_id, delivery_id)
        if not claimed:
            return None
        [timer] = claimed
        lease = timedelta(seconds=self.lease_seconds)
        scope = self._scope(timer.org_id, property_id)

        def find_turn(channel: DeliveryChannel, delivery_id: UUID) -> datetime:
            # Of the instant of the claim: a later one would always seem to be a later turn.
            return self.paces[channel].find_turn(delivery_id, scope.at)

        async def work(uow: UnitOfWork) -> Step:
            return await claim_message(uow, timer, self.providers, lease, find_turn)

        step = (await transact(conn, scope, work)).result  # type: ignore[arg-type]
        if isinstance(step, ClaimedMessage):
            metrics.LATENESS.observe((self.clock.now() - timer.due_at).total_seconds())
        return step

    async def _timers(
        self, conn: Connection, property_id: UUID, delivery_id: UUID
    ) -> list[DueTimer]:
        """Claim the timer. Wait for another sender that works on the property, but not long."""
        for _ in range(LOCK_ATTEMPTS):
            now = self.clock.now()
            try:
                return await timers.claim(conn, TimerKind.DELIVERY, property_id, [delivery_id], now)
            except PropertyTaken:
                await asyncio.sleep(LOCK_PAUSE_SECONDS)
        return []

    def _note_pace(self, claimed: ClaimedMessage, answer: HandOverResult | str) -> None:
        pace, now = self.paces[claimed.message.channel], self.clock.now()
        match answer:
            case str():
                pace.record_failure(now)
            case NotHandedOver(retry_after_seconds=seconds):
                pace.record_failure(now, timedelta(seconds=seconds) if seconds else None)
            case _:
                pace.record_answer()

    async def _hand_over(self, claimed: ClaimedMessage, waited_seconds: float) -> None:
        """Make the one request of a claim, and append its result."""
        if waited_seconds > START_SHARE * self.lease_seconds:
            # Another sender could look it up while the request runs: do not begin one.
            result = NotHandedOver("late_claim", "the commit of the claim took too long", 1)
            await self._append_result(claimed, command_of(claimed, result, self.clock.now()))
            return
        answer = await make_request(claimed, REQUEST_SHARE * self.lease_seconds)
        self._note_pace(claimed, answer)
        if isinstance(answer, str):
            await self._keep_error(claimed, answer)
        else:
            await self._append_result(claimed, command_of(claimed, answer, self.clock.now()))

    async def _append_result(self, claimed: ClaimedMessage, command: Result) -> None:
        """Append the result, again and again while the database does not answer."""

        message = claimed.message
        for _ in range(RESULT_ATTEMPTS):
            try:
                async with self.pool.acquire() as conn, conn.transaction():
                    scope = self._scope(message.org_id, message.property_id)
                    await record_result(cast("asyncpg.Connection", conn), scope, message, command)
            except (*RETRY_ERRORS, Conflict) as error:
                log.warning("sender.result_waits", error=error, is_retry=True)
                await asyncio.sleep(RESULT_PAUSE_SECONDS)
            else:
                return
        log.error("sender.result_lost", delivery_id=str(message.delivery_id))

    async def _keep_error(self, claimed: ClaimedMessage, error: str) -> None:
        """Keep why there is no result, for the event at the end of the lease."""
        try:
            await self.pool.execute(
                "UPDATE crm.timers SET error = $3 WHERE kind = $1 AND entity_id = $2",
                TimerKind.DELIVERY,
                claimed.message.delivery_id,
                error,
            )
        except RETRY_ERRORS as away:
            log.warning("sender.database_away", error=away, is_retry=False)

    async def _settle(self, lost: LostHandOver) -> None:
        """Ask the provider about a hand-over whose lease ended, and append what it knows."""
        message, answer = lost.message, await ask_provider(lost)
        log.warning(
            "sender.hand_over_lost", delivery_id=str(message.delivery_id),
            finding=answer.finding.value,
        )  # fmt: skip

        async def work(uow: UnitOfWork) -> str:
            return (await settle_lost(uow, lost, answer)).value

        try:
            scope = self._scope(message.org_id, message.property_id)
            status = (await transact(self.pool, scope, work)).result
        except RETRY_ERRORS as error:
            log.warning("sender.database_away", error=error, is_retry=True)
        else:
            metrics.LOST.labels(message.channel, status).inc()

    def _scope(self, org_id: UUID, property_id: UUID) -> Scope:
        return Scope(org_id, property_id, self.clock.now(), Cause(ACTOR))
