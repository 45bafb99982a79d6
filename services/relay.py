"""The relay: numbers what was committed and publishes it. One works, the others stand by."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Sequence
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError

from events.bus.publish import Lost, Publisher, Repartitioned, create_topic, shards_of
from events.bus.topics import Topics
from events.log import read, sequencer
from events.log.sequencer import Deposed, LogState, Tenure
from services.runtime import metrics
from services.runtime.database import AWAY, connect
from services.runtime.logging import get_logger
from services.runtime.process import Checks, run_process, sleep_unless
from services.runtime.settings import Settings

LEASE_SECONDS = 3.0
POLL_SECONDS = 0.003
"""How often an idle relay looks for new rows; a notification in each commit would cost more."""
NOTE_SECONDS = 0.05
"""How often a busy relay writes down what it published; an heir publishes the rest again."""
STANDBY_SECONDS = 0.5
CHECK_SECONDS = 2.0
"""How often the broker's ends are compared with what it acknowledged."""
RETRY_SECONDS = 1.0
BATCH_EVENTS = 2_000

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
            except Deposed:
                log.warning("relay.deposed")
            except CUT_OFF as error:
                log.warning("relay.interrupted", error=repr(error))
                await sleep_unless(stop, RETRY_SECONDS)
            finally:
                self.active = False
                conn.terminate()

    async def _stand_by(self, conn: asyncpg.Connection, stop: asyncio.Event) -> None:
        while (tenure := await sequencer.acquire(conn, self.name, LEASE_SECONDS)) is None:
            if await sleep_unless(stop, STANDBY_SECONDS):
                return
        log.info("relay.took_over", epoch=tenure.epoch)
        renewing = asyncio.create_task(self._renew(tenure))
        working = asyncio.create_task(self._work(conn, tenure, stop))
        try:
            done, _ = await asyncio.wait({renewing, working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (renewing, working):
                task.cancel()
            await asyncio.gather(renewing, working, return_exceptions=True)
            if not conn.is_closed():
                await sequencer.release(conn, tenure)

    async def _renew(self, tenure: Tenure) -> None:
        conn = await connect(self.settings, "crm relay lease")
        try:
            while True:
                await sequencer.renew(conn, tenure, LEASE_SECONDS)
                await asyncio.sleep(LEASE_SECONDS / 3)
        finally:
            conn.terminate()

    async def _work(self, conn: asyncpg.Connection, tenure: Tenure, stop: asyncio.Event) -> None:
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
            work = Tour(conn, tenure, publisher, state, self.topic)
            await work.recall()
            await work.catch_up()
            self.active = True
            await work.go_on(stop)
        finally:
            await publisher.stop()


class Tour:
    """The work of one tenure on one connection."""

    def __init__(
        self,
        conn: asyncpg.Connection,
        tenure: Tenure,
        publisher: Publisher,
        state: LogState,
        topic: str,
    ) -> None:
        self.conn, self.tenure, self.publisher, self.topic = conn, tenure, publisher, topic
        self.log_id, self.generation = state.id, state.generation
        self.published = state.published

    async def recall(self) -> None:
        """Hold the broker to what it acknowledged to relays before; publish what it lost."""
        rows = await self.conn.fetch(
            "SELECT partition, partitions, end_offset FROM crm.relay_partitions WHERE topic = $1",
            self.topic,
        )
        known = {row["partition"]: row["end_offset"] for row in rows}
        if any(row["partitions"] != self.publisher.partitions for row in rows):
            log.warning("relay.partitions_changed", partitions=self.publisher.partitions)
            await self._publish_again(dict.fromkeys(range(self.publisher.partitions), 0))
            return
        self.publisher.ends = known
        if not known and self.published:
            await self._publish_again(await self.publisher.broker_ends())
        await self._unless_lost(self.publisher.check())

    async def catch_up(self) -> None:
        """Publish what was numbered but, as far as is known, not published."""
        state = await sequencer.state(self.conn)
        while self.published < state.position:
            upto = min(self.published + BATCH_EVENTS, state.position)
            rows = await read.position_rows(self.conn, after=self.published, upto=upto)
            await self._unless_lost(self._send(rows))
            await self._note(rows)

    async def go_on(self, stop: asyncio.Event) -> None:
        """Number and publish until stopped: the next rows are numbered while these travel."""
        loop = asyncio.get_running_loop()
        check_at = loop.time() + CHECK_SECONDS
        note_at = loop.time()
        travelling: asyncio.Task[None] | None = None
        rows: list[asyncpg.Record] = []
        arrived: list[asyncpg.Record] = []
        try:
            while not stop.is_set() or rows or arrived:
                if rows:
                    travelling = asyncio.create_task(self._send(rows))
                last, rows = rows, []
                if await sequencer.any_waiting(self.conn):
                    rows = await sequencer.number(self.conn, self.tenure, BATCH_EVENTS)
                if travelling is not None:
                    await self._unless_lost(travelling)
                    travelling, arrived = None, last
                if arrived and (not rows or loop.time() >= note_at):
                    await self._note(arrived)
                    arrived, note_at = [], loop.time() + NOTE_SECONDS
                if loop.time() >= check_at:
                    await self._unless_lost(self.publisher.check())
                    check_at = loop.time() + CHECK_SECONDS
                if not rows:
                    await sleep_unless(stop, POLL_SECONDS)
        finally:
            if travelling is not None:
                travelling.cancel()

    async def _send(self, rows: Sequence[Any]) -> None:
        await self.publisher.publish(rows, self.log_id, self.generation)
        metrics.PUBLISHED.inc(len(rows))

    async def _unless_lost(self, sending: Awaitable[None]) -> None:
        """Wait for the broker; publish again what it turns out to have lost."""
        try:
            await sending
        except Lost as lost:
            await self._publish_again(lost.ends)

    async def _note(self, rows: Sequence[asyncpg.Record]) -> None:
        self.published = rows[-1]["position"]
        await self._keep()

    async def _keep(self) -> None:
        """Write down how far the log is published and what the broker must still have."""
        async with self.conn.transaction():
            await sequencer.published(self.conn, self.tenure, self.published)
            await self.conn.execute(
                "DELETE FROM crm.relay_partitions WHERE topic = $1 AND partitions <> $2",
                self.topic,
                self.publisher.partitions,
            )
            await self.conn.executemany(
                """
                INSERT INTO crm.relay_partitions (topic, partition, partitions, end_offset)
                VALUES ($1, $2, $3, $4) ON CONFLICT (topic, partition) DO UPDATE
                SET partitions = excluded.partitions, end_offset = excluded.end_offset
                """,
                [
                    (self.topic, number, self.publisher.partitions, end)
                    for number, end in self.publisher.ends.items()
                ],
            )

    async def _publish_again(self, ends: dict[int, int]) -> None:
        """Publish what the broker lost: partition → where it ends (or ended) now."""
        publisher = self.publisher
        state = await sequencer.state(self.conn)
        after = {p: await publisher.last_position(p, end) for p, end in ends.items()}
        log.warning("relay.publishing_again", after=after, upto=state.position)
        for partition in ends:
            publisher.ends.pop(partition, None)
        for partition, last in after.items():
            at = last
            shards = shards_of([partition], publisher.partitions)
            while rows := await read.shards_rows(
                self.conn, shards, after=at, upto=state.position, limit=BATCH_EVENTS
            ):
                await publisher.publish(rows, self.log_id, self.generation)
                at = rows[-1]["position"]
        await self._keep()


async def work(settings: Settings, stop: asyncio.Event, checks: Checks) -> None:
    """The process: ready also while it stands by, for that is its work then."""
    relay = Relay(settings)

    async def ready() -> str | None:
        return None

    checks["relay"] = ready
    await relay.run(stop)


if __name__ == "__main__":
    run_process("relay", work)
