"""The relay process: numbers committed events and publishes them. One relay works, others wait."""

import asyncio
import os
import socket

import asyncpg
from aiokafka.errors import KafkaError

from events.bus.digest import RecordDigest
from events.bus.publish import LostRecords, PartitionCountChanged, Publisher
from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from events.log import sequencer
from events.log.announcements import APPENDED
from events.log.sequencer import LeaseLost, RelayLease
from services.relay.history import LostHistory, refuse_lost_history
from services.relay.run import RelayRun
from services.relay.staged_changes import StagedChangeWorker
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, connect
from services.runtime.event_signal import EventSignal
from services.runtime.logging import get_logger
from services.runtime.process import Checks, sleep_unless
from services.runtime.reachability import DATABASE, KAFKA, reachability_check
from services.runtime.settings import Settings
from services.runtime.tasks import run_until_first_ends
from services.runtime.topics import TopicKeeper

LEASE_SECONDS = 3.0
STANDBY_SECONDS = 0.5
RETRY_SECONDS = 1.0

RUN_ENDING_ERRORS = (
    *CONNECTION_ERRORS,
    *TRANSACTION_ERRORS,
    KafkaError,
    LostRecords,
    PartitionCountChanged,
)
"""Errors that end a relay run; the relay then starts another. The lease decides who may run."""

log = get_logger("relay")


class Relay:
    """A relay that waits for the lease, works while it has it, and waits again."""

    def __init__(
        self, settings: Settings, name: str | None = None, signal: EventSignal | None = None
    ) -> None:
        self.settings = settings
        self.signal = signal or EventSignal()
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.topic = Topics.of(settings.topic_prefix).events
        self.active = False
        self.problem: str | None = None
        """The reason why nothing is numbered although this relay has the lease."""

    async def run(self, stop: asyncio.Event) -> None:
        """Start relay runs until stopped. Unreachable servers are tried again without end."""
        while not stop.is_set():
            try:
                conn = await connect(self.settings, "crm relay")
            except CONNECTION_ERRORS as error:
                log.warning("relay.database_away", error=error, is_retry=True)
                await sleep_unless(stop, RETRY_SECONDS)
                continue
            try:
                await self._wait_and_run(conn, stop)
            except LeaseLost:
                log.warning("relay.deposed", is_retry=True)
            except LostHistory as error:
                self._set_problem(str(error))
                await sleep_unless(stop, RETRY_SECONDS)
            except RUN_ENDING_ERRORS as error:
                log.warning("relay.interrupted", error=error, is_retry=True)
                await sleep_unless(stop, RETRY_SECONDS)
            finally:
                self._set_active(False)
                conn.terminate()

    async def _wait_and_run(self, conn: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Wait for the lease, then publish until stopped or until the lease is lost."""
        while (lease := await sequencer.acquire(conn, self.name, LEASE_SECONDS)) is None:
            self._set_problem(None)  # the relay that has the lease reports it
            if await sleep_unless(stop, STANDBY_SECONDS):
                return
        log.info("relay.took_over", epoch=lease.epoch)
        try:
            await run_until_first_ends(self._renew(lease), self._publish(conn, lease, stop))
        finally:
            # A standby takes over at once instead of after LEASE_SECONDS.
            if not conn.is_closed():
                await sequencer.release(conn, lease)

    async def _renew(self, lease: RelayLease) -> None:
        """Renew the lease on a connection of its own: a long statement must not delay it."""
        conn = await connect(self.settings, "crm relay lease")
        try:
            while True:
                await sequencer.renew(conn, lease, LEASE_SECONDS)
                await asyncio.sleep(LEASE_SECONDS / 3)
        finally:
            conn.terminate()

    async def _publish(
        self, conn: asyncpg.Connection, lease: RelayLease, stop: asyncio.Event
    ) -> None:
        publisher = Publisher(
            self.settings.brokers,
            self.topic,
            idempotent=self.settings.kafka_idempotent,
        )
        try:
            await create_topic(
                self.settings.brokers,
                self.topic,
                partitions=self.settings.topic_partitions,
                replicas=self.settings.topic_replicas,
            )
            await publisher.start()
            state = await sequencer.read_log_state(conn)
            digest = await RecordDigest.load(conn, self.topic, state.id)
            run = RelayRun(conn, lease, publisher, state, digest, self.signal)
            await refuse_lost_history(conn, publisher, digest)
            self._set_problem(None)
            await run.recall()
            await run.catch_up()
            self._set_active(True)
            await run.publish_new(stop)
        finally:
            await publisher.stop()

    def _set_active(self, active: bool) -> None:
        self.active = active
        metrics.RELAY_ACTIVE.set(active)

    def _set_problem(self, problem: str | None) -> None:
        self.problem = problem
        metrics.HISTORY_LOST.set(problem is not None)
        if problem:
            log.error("relay.history_lost", error=problem, is_retry=True)


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, _clock: Clock) -> None:
    """Run the process until stopped. It is also ready while it waits for the lease."""
    signal = EventSignal([APPENDED], settings.safety_poll_seconds)
    relay = Relay(settings, signal=signal)

    async def ready() -> str | None:
        return relay.problem

    staged = StagedChangeWorker(settings, lambda: relay.active, signal.wake)
    keeper = TopicKeeper(settings, [relay.topic])
    checks["relay"] = ready
    checks["staged_changes"] = staged.check
    checks["database"] = reachability_check(settings, DATABASE)
    checks["kafka"] = reachability_check(settings, KAFKA)
    checks["topics"] = keeper.check
    await run_until_first_ends(relay.run(stop), keeper.run(), staged.run(), signal.listen(settings))
