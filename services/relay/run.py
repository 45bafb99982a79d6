"""A relay run: number new events, publish them, save the progress."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import asyncpg

from events.bus.digest import RecordDigest
from events.bus.publish import LostRecords, Publisher, shards_of
from events.log import read, sequencer
from events.log.sequencer import LogState, RelayLease
from services.runtime import metrics
from services.runtime.logging import get_logger
from services.runtime.process import sleep_unless

POLL_SECONDS = 0.003
"""Pause of an idle relay between two polls. A NOTIFY in every append would cost far more."""
SAVE_SECONDS = 0.05
"""Time between two saves of the progress. The next relay run publishes what was not saved again."""
CHECK_SECONDS = 2.0
"""Time between two comparisons of the broker's end offsets with the acknowledged ones."""
BATCH_EVENTS = 2_000

log = get_logger("relay")


class RelayRun:
    """The work of one relay while it holds its epoch, on one connection."""

    def __init__(
        self, conn: asyncpg.Connection, lease: RelayLease, publisher: Publisher,
        state: LogState, digest: RecordDigest,
    ) -> None:  # fmt: skip
        self.conn, self.lease, self.publisher, self.digest = conn, lease, publisher, digest
        self.topic, self.generation = publisher.topic, state.generation
        self.published = state.published

    async def recall(self) -> None:
        """Compare the broker with the end offsets that it acknowledged to earlier relay runs.

        Publish again what it lost. Without saved end offsets (a new topic name, or a restored
        database) nothing can be compared, so everything above the broker's last position is
        published again.
        """
        rows = await self.conn.fetch(
            "SELECT partition, partitions, end_offset FROM crm.relay_partitions WHERE topic = $1",
            self.topic,
        )
        acknowledged = {row["partition"]: row["end_offset"] for row in rows}
        if any(row["partitions"] != self.publisher.partitions for row in rows):
            # Other partitions contain other shards: saved offsets say nothing about them.
            log.warning("relay.partitions_changed", partitions=self.publisher.partitions)
            await self._publish_again(dict.fromkeys(range(self.publisher.partitions), 0))
            return
        self.publisher.ends = acknowledged
        if not acknowledged and self.published:
            await self._publish_again(await self.publisher.broker_ends())
        try:
            await self.publisher.check()
        except LostRecords as lost:
            await self._publish_again(lost.ends)

    async def catch_up(self) -> None:
        """Publish the events that have a position but were not saved as published.

        Some may be on the topic already. Consumers skip a duplicate by its position.
        """
        state = await sequencer.read_log_state(self.conn)
        while self.published < state.position:
            upto = min(self.published + BATCH_EVENTS, state.position)
            rows = await read.position_rows(self.conn, after=self.published, upto=upto)
            await self._unless_lost(self._send(rows))
            await self._save_after(rows)

    async def publish_new(self, stop: asyncio.Event) -> None:
        """Publish new events until stopped. The next batch is numbered while one is being sent.

        A batch is sent only after its positions are committed, so no position is ever published
        and then given to another event.
        """
        loop = asyncio.get_running_loop()
        check_at = loop.time() + CHECK_SECONDS
        save_at = loop.time()
        sending: asyncio.Task[None] | None = None
        rows: list[asyncpg.Record] = []
        sent: list[asyncpg.Record] = []
        try:
            while not stop.is_set() or rows or sent:
                if rows:
                    sending = asyncio.create_task(self._send(rows))
                last, rows = rows, []
                if await sequencer.has_unnumbered_rows(self.conn):
                    rows = await sequencer.assign_positions(self.conn, self.lease, BATCH_EVENTS)
                if sending is not None:
                    await self._unless_lost(sending)
                    sending, sent = None, last
                if sent and (stop.is_set() or loop.time() >= save_at):
                    await self._save_after(sent)
                    sent, save_at = [], loop.time() + SAVE_SECONDS
                if loop.time() >= check_at:
                    self.digest = await self.digest.renew(self.conn)
                    await self._unless_lost(self.publisher.check())
                    check_at = loop.time() + CHECK_SECONDS
                if not rows:
                    await sleep_unless(stop, POLL_SECONDS)
        finally:
            if sending is not None:
                sending.cancel()

    async def _send(self, rows: Sequence[Any]) -> None:
        await self.publisher.publish(rows, self.digest, self.generation)
        metrics.PUBLISHED.inc(len(rows))

    async def _unless_lost(self, sending: Awaitable[None]) -> None:
        """Wait for the broker. If it lost records, publish them again.

        Raise `Lost` afterwards if a partition was empty: then the topic itself may be gone, and
        only the next relay run creates it. The embedded broker accepts records for a topic that
        it does not know, but no other client can read them.
        """
        try:
            await sending
        except LostRecords as lost:
            await self._publish_again(lost.ends)
            if 0 in lost.ends.values():
                raise

    async def _save_after(self, rows: Sequence[asyncpg.Record]) -> None:
        self.published = rows[-1]["position"]
        await self._save()

    async def _save(self) -> None:
        """Save the last published position and the end offsets that the broker acknowledged."""
        async with self.conn.transaction():
            # A crash may lose this commit. Then the same records are published once more.
            await self.conn.execute("SET LOCAL synchronous_commit = off")
            await sequencer.mark_published(self.conn, self.lease, self.published)
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
        """Publish again what the broker lost. `ends`: partition → its end offset now.

        The last record that the broker still has gives the position to continue after. The saved
        end offsets are removed first, so that the publisher accepts the lower ones.
        """
        publisher = self.publisher
        state = await sequencer.read_log_state(self.conn)
        self.digest = await self.digest.renew(self.conn)
        after = await publisher.last_positions(ends, self.digest, self.generation)
        log.warning("relay.publishing_again", after=after, upto=state.position)
        for partition in ends:
            publisher.ends.pop(partition, None)
        for partition, last in after.items():
            at = last
            shards = shards_of([partition], publisher.partitions)
            while rows := await read.shards_rows(
                self.conn, shards, after=at, upto=state.position, limit=BATCH_EVENTS
            ):
                await publisher.publish(rows, self.digest, self.generation)
                at = rows[-1]["position"]
        await self._save()
