"""The work of one tenure of the relay: number what is new, publish it, note what has arrived."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import asyncpg

from events.bus.publish import Lost, Publisher, shards_of
from events.log import read, sequencer
from events.log.sequencer import LogState, RelayLease
from services.runtime import metrics
from services.runtime.logging import get_logger
from services.runtime.process import sleep_unless

POLL_SECONDS = 0.003
"""How often an idle relay looks for new rows; a notification in each commit would cost more."""
NOTE_SECONDS = 0.05
"""How often a busy relay writes down what it published; an heir publishes the rest again."""
CHECK_SECONDS = 2.0
"""How often the broker's ends are compared with what it acknowledged."""
BATCH_EVENTS = 2_000

log = get_logger("relay")


class Tour:
    """The work of one tenure on one connection."""

    def __init__(
        self,
        conn: asyncpg.Connection,
        lease: RelayLease,
        publisher: Publisher,
        state: LogState,
        topic: str,
    ) -> None:
        self.conn, self.lease, self.publisher, self.topic = conn, lease, publisher, topic
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
        try:
            await self.publisher.check()
        except Lost as lost:
            await self._publish_again(lost.ends)

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
                    rows = await sequencer.number(self.conn, self.lease, BATCH_EVENTS)
                if travelling is not None:
                    await self._unless_lost(travelling)
                    travelling, arrived = None, last
                if arrived and (stop.is_set() or loop.time() >= note_at):
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
        """Wait for the broker; publish again what it turns out to have lost.

        Raises `Lost` after that where a partition was empty: the topic may be gone, and is made by
        who begins anew. What the embedded broker takes for a topic that it does not know, no other
        client can read.
        """
        try:
            await sending
        except Lost as lost:
            await self._publish_again(lost.ends)
            if 0 in lost.ends.values():
                raise

    async def _note(self, rows: Sequence[asyncpg.Record]) -> None:
        self.published = rows[-1]["position"]
        await self._keep()

    async def _keep(self) -> None:
        """Write down how far the log is published and what the broker must still have."""
        async with self.conn.transaction():
            # What a crash forgets of this is published once more, byte for byte.
            await self.conn.execute("SET LOCAL synchronous_commit = off")
            await sequencer.published(self.conn, self.lease, self.published)
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
