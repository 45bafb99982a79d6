"""The relay: numbers what was committed and publishes it. One works, the others stand by."""

import asyncio
import os
import socket

import asyncpg
from aiokafka.errors import KafkaError

from events.bus.publish import Lost, Publisher, Repartitioned, create_topic
from events.bus.topics import Topics
from events.log import sequencer
from events.log.sequencer import LeaseLost, RelayLease
from services.relay.run import Tour
from services.runtime.database import AWAY, connect
from services.runtime.logging import get_logger
from services.runtime.process import Checks, sleep_unless
from services.runtime.settings import Settings

LEASE_SECONDS = 3.0
STANDBY_SECONDS = 0.5
RETRY_SECONDS = 1.0

CUT_OFF = (*AWAY, KafkaError, Lost, Repartitioned)
"""What servers raise that are away, or that cut us off, or that have changed meanwhile."""

log = get_logger("relay")


class Relay:
    """One attempt at being the relay: it ends when it is deposed, stopped or cut off."""

    def __init__(self, settings: Settings, name: str | None = None) -> None:
        self.settings = settings
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.topic = Topics.of(settings.topic_prefix).events
        self.active = False

    async def run(self, stop: asyncio.Event) -> None:
        """Stand by, work, and stand by again, until stopped; servers that are away are awaited."""
        while not stop.is_set():
            try:
                conn = await connect(self.settings, "crm relay")
            except CUT_OFF as error:
                log.warning("relay.database_away", error=str(error))
                await sleep_unless(stop, RETRY_SECONDS)
                continue
            try:
                await self._stand_by(conn, stop)
            except LeaseLost:
                log.warning("relay.deposed")
            except CUT_OFF as error:
                log.warning("relay.interrupted", error=repr(error))
                await sleep_unless(stop, RETRY_SECONDS)
            finally:
                self.active = False
                conn.terminate()

    async def _stand_by(self, conn: asyncpg.Connection, stop: asyncio.Event) -> None:
        while (lease := await sequencer.acquire(conn, self.name, LEASE_SECONDS)) is None:
            if await sleep_unless(stop, STANDBY_SECONDS):
                return
        log.info("relay.took_over", epoch=lease.epoch)
        renewing = asyncio.create_task(self._renew(lease))
        working = asyncio.create_task(self._work(conn, lease, stop))
        try:
            done, _ = await asyncio.wait({renewing, working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (renewing, working):
                task.cancel()
            await asyncio.gather(renewing, working, return_exceptions=True)
            if not conn.is_closed():
                await sequencer.release(conn, lease)

    async def _renew(self, lease: RelayLease) -> None:
        conn = await connect(self.settings, "crm relay lease")
        try:
            while True:
                await sequencer.renew(conn, lease, LEASE_SECONDS)
                await asyncio.sleep(LEASE_SECONDS / 3)
        finally:
            conn.terminate()

    async def _work(self, conn: asyncpg.Connection, lease: RelayLease, stop: asyncio.Event) -> None:
        publisher = Publisher(
            self.settings.kafka_bootstrap_servers,
            self.topic,
            idempotent=self.settings.kafka_idempotent,
        )
        try:
            await create_topic(
                self.settings.kafka_bootstrap_servers,
                self.topic,
                partitions=self.settings.topic_partitions,
                replicas=self.settings.topic_replicas,
            )
            await publisher.start()
            state = await sequencer.state(conn)
            work = Tour(conn, lease, publisher, state, self.topic)
            await work.recall()
            await work.catch_up()
            self.active = True
            await work.go_on(stop)
        finally:
            await publisher.stop()


async def work(settings: Settings, stop: asyncio.Event, checks: Checks) -> None:
    """The process: ready also while it stands by, for that is its work then."""
    relay = Relay(settings)

    async def ready() -> str | None:
        return None

    checks["relay"] = ready
    await relay.run(stop)
