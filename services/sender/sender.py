"""The sender process: looks for due messages and hands them over.

Several properties are worked on at the same time, each in the order of the due times of its
messages. Any number of sender processes may run.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from events.deliveries import DeliveryChannel
from events.log.announcements import APPENDED
from events.log.timers import TimerBacklog
from events.timers import TimerKind
from services.adapters.providers import open_providers
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, pooled
from services.runtime.event_signal import EventSignal, PollPause, wait_for_any
from services.runtime.health import Check
from services.runtime.logging import get_logger
from services.runtime.process import Checks
from services.runtime.reachability import DATABASE, reachability_check
from services.runtime.settings import Settings
from services.runtime.tasks import end_tasks
from services.sender import metrics
from services.sender.delivery_worker import DeliveryWorker
from services.sender.provider_pace import ProviderPace

POLL_SECONDS = 0.5
IDLE_SECONDS = 1.0
"""Longest time between two looks while no events come and no message is known to be due."""
LANE_SECONDS = 5.0
"""Longest wait of a lane that has nothing to do; a look that finds messages ends it."""
MIN_PAUSE_SECONDS = 0.05
LANES = 8
"""Properties that are worked on at the same time."""
ZONES_SECONDS = 60.0
"""Time after which an update of the IANA database counts, at the latest."""
REQUESTS = 4
"""Requests for one property at the same time."""
POOL_SIZE = 8
OVERDUE_SECONDS = 300.0
"""Time after which a due message that nobody has worked on makes the process not ready."""
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)

log = get_logger("sender")


class SendingLoop:
    """The backlog of due messages, and the lanes that work it off until `stop` is set."""

    def __init__(
        self, pool: asyncpg.Pool, worker: DeliveryWorker, stop: asyncio.Event,
        signal: EventSignal | None = None,
    ) -> None:  # fmt: skip
        self.pool, self.worker, self.stop = pool, worker, stop
        self._pause = PollPause(signal or EventSignal(), POLL_SECONDS, IDLE_SECONDS)
        self._found = asyncio.Event()
        """Set when a look has found messages."""
        self._backlog = TimerBacklog(TimerKind.DELIVERY)
        self._busy: set[UUID] = set()
        """Properties that a lane works on. A sweep finds their messages again."""

    async def run(self) -> None:
        """Look for due messages and hand them over; after `stop`, finish what is claimed."""
        lanes = [self._run_lane() for _ in range(LANES)]
        await _run_to_the_end(self._look_regularly(), *lanes)

    async def _look_regularly(self) -> None:
        loop = asyncio.get_running_loop()
        clear_at = loop.time() + ZONES_SECONDS
        while not self.stop.is_set():
            if loop.time() >= clear_at:
                ZoneInfo.clear_cache()
                clear_at = loop.time() + ZONES_SECONDS
            self._pause.begin_look()
            try:
                async with self.pool.acquire() as conn:
                    await self._backlog.look(conn, self.worker.clock.now())
            except RETRY_ERRORS as error:
                log.warning("sender.database_away", error=error, is_retry=True)
            if self._backlog.count:
                self._found.set()
            seconds = self._backlog.seconds_to_next(self.worker.clock.now())
            await self._pause.wait(self.stop, max(MIN_PAUSE_SECONDS, seconds))

    async def _run_lane(self) -> None:
        while not self.stop.is_set():
            batch = self._backlog.take(self._busy)
            if batch is None:
                self._found.clear()
                await wait_for_any(LANE_SECONDS, self.stop, self._found)
                continue
            property_id, delivery_ids = batch
            self._busy.add(property_id)
            try:
                await self._process_batch(property_id, delivery_ids)
            finally:
                self._busy.remove(property_id)

    async def _process_batch(self, property_id: UUID, delivery_ids: Sequence[UUID]) -> None:
        turn = asyncio.Lock()
        remaining = iter(delivery_ids)

        async def process_next() -> None:
            for delivery_id in remaining:
                if self.stop.is_set():
                    return
                await self.worker.process(property_id, delivery_id, turn)

        await _run_to_the_end(*(process_next() for _ in range(min(REQUESTS, len(delivery_ids)))))


async def _run_to_the_end(*works: Coroutine[Any, Any, None]) -> None:
    """Wait for all; cancel the others and raise the error if one fails."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end_tasks(tasks)


def make_paces(settings: Settings) -> dict[DeliveryChannel, ProviderPace]:
    """Return the pace of each channel's provider."""
    rates = {
        DeliveryChannel.SMS: settings.sms_per_second,
        DeliveryChannel.EMAIL: settings.emails_per_second,
    }
    return {channel: ProviderPace(rates.get(channel, 0)) for channel in DeliveryChannel}


def overdue_check(pool: asyncpg.Pool, clock: Clock) -> Check:
    """Return a check that reports a due message on which no sender has worked for minutes."""

    async def check() -> str | None:
        due_at = await pool.fetchval(
            "SELECT queue_at FROM crm.timers WHERE kind = $1 ORDER BY queue_at, entity_id LIMIT 1",
            TimerKind.DELIVERY,
        )
        seconds = 0.0 if due_at is None else max(0.0, (clock.now() - due_at).total_seconds())
        metrics.OVERDUE.set(seconds)
        if seconds <= OVERDUE_SECONDS:
            return None
        return f"a due message has waited for {seconds:.0f} s: see `crm delivery list`"

    return check


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock) -> None:
    """Run the process until stopped."""
    providers = open_providers(settings)
    async with pooled(settings, "crm sender", size=POOL_SIZE) as pool:
        checks["database"] = reachability_check(settings, DATABASE)
        checks["deliveries"] = overdue_check(pool, clock)
        paces = make_paces(settings)
        worker = DeliveryWorker(pool, providers, clock, settings.send_lease_seconds, paces)
        signal = EventSignal([APPENDED])
        listening = asyncio.create_task(signal.listen(settings))
        try:
            await SendingLoop(pool, worker, stop, signal).run()
        finally:
            await end_tasks([listening])
            for provider in providers.values():
                await provider.close()
