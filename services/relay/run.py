"""A relay run: number new events, publish them, save the progress."""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any

import asyncpg
from aiokafka.errors import UnknownError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from events.bus.digest import RecordDigest
from events.bus.publish import LostRecords, Publisher, shards_of
from events.log import read, sequencer
from events.log.sequencer import LogState, RelayLease
from services.relay.publish_spans import record_spans
from services.runtime import metrics
from services.runtime.event_signal import EventSignal, PollPause
from services.runtime.logging import get_logger

POLL_SECONDS = 0.003
"""Pause of a relay that is awake between two polls."""
SAVE_SECONDS = 0.05
"""Time between two saves of the progress. The next relay run publishes what was not saved again."""
CHECK_SECONDS = 2.0
"""Time between two comparisons of the broker's end offsets with the acknowledged ones."""
BATCH_EVENTS = 2_000
ATTEMPTS = 3

log = get_logger("relay")


class RelayRun:
    """The work of one relay while it holds its epoch, on one connection."""

    def __init__(
        self, conn: asyncpg.Connection, lease: RelayLease, publisher: Publisher,
        state: LogState, digest: RecordDigest, signal: EventSignal | None = None,
    ) -> None:  # fmt: skip
        self.signal = signal or EventSignal()
        self._pause = PollPause(self.signal, POLL_SECONDS)
        self.conn, self.lease, self.publisher, self.digest = conn, lease, publisher, digest
        self.topic, self.generation = publisher.topic, state.generation
        self.published = state.published

    async def recall(self) -> None:
        """Compare the broker with the end offsets that it acknowledged to earlier relay runs.

        Publish all partitions again if one of them lost records, and if there are no saved end
        offsets to compare (a new topic, or an interrupted repetition).
        """
        rows = await self.conn.fetch(
            "SELECT partition, partitions, end_offset FROM crm.relay_partitions WHERE topic = $1",
            self.topic,
        )
        acknowledged = {row["partition"]: row["end_offset"] for row in rows}
        if any(row["partitions"] != self.publisher.partitions for row in rows):
            # Other partitions contain other shards: saved offsets say nothing about them.
            log.warning("relay.partitions_changed", partitions=self.publisher.partitions)
            acknowledged = {}
        self.publisher.ends = acknowledged
        if not acknowledged and self.published:
            await self._publish_again(range(self.publisher.partitions))
        try:
            await self.publisher.check()
        except LostRecords:
            await self._publish_again(range(self.publisher.partitions))

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
                    sending = asyncio.create_task(self._send_new(rows))
                last, rows = rows, []
                self._pause.begin_look()
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
                if rows or sent:
                    self.signal.stay_awake()
                if not rows:
                    await self._pause.wait(stop)
        finally:
            if sending is not None:
                sending.cancel()

    async def _send(self, rows: Sequence[Any]) -> None:
        await self.publisher.publish(rows, self.digest, self.generation)
        metrics.PUBLISHED.inc(len(rows))
        self.signal.published.announce()

    async def _send_new(self, rows: Sequence[Any]) -> None:
        began_at = time.time_ns()
        await self._send(rows)
        record_spans(rows, self.topic, began_at)

    async def _unless_lost(self, sending: Awaitable[None]) -> None:
        """Wait for the broker. If it lost records, publish them again.

        Raise `LostRecords` instead if a partition is empty: then the topic itself may be gone, and
        only the next relay run creates it.
        """
        try:
            await sending
        except LostRecords as lost:
            if 0 in lost.ends.values():
                await self._save({})
                raise
            await self._publish_again(lost.ends)

    async def _save_after(self, rows: Sequence[asyncpg.Record]) -> None:
        self.published = rows[-1]["position"]
        await self._save(self.publisher.ends)

    async def _save(self, ends: Mapping[int, int]) -> None:
        """Save the last published position and the end offsets that the broker acknowledged.

        Without end offsets, the next relay run compares and completes all partitions.
        """
        async with self.conn.transaction():
            if ends:
                # A crash may lose this commit. Then the same records are published once more.
                await self.conn.execute("SET LOCAL synchronous_commit = off")
            await sequencer.mark_published(self.conn, self.lease, self.published)
            await self.conn.execute(
                "DELETE FROM crm.relay_partitions WHERE topic = $1 "
                "AND (partitions <> $2 OR partition <> ALL ($3::int[]))",
                self.topic,
                self.publisher.partitions,
                list(ends),
            )
            await self.conn.executemany(
                """
                INSERT INTO crm.relay_partitions (topic, partition, partitions, end_offset)
                VALUES ($1, $2, $3, $4) ON CONFLICT (topic, partition) DO UPDATE
                SET partitions = excluded.partitions, end_offset = excluded.end_offset
                """,
                [
                    (self.topic, number, self.publisher.partitions, end)
                    for number, end in ends.items()
                ],
            )

    async def _publish_again(self, partitions: Iterable[int]) -> None:
        """Publish all events of partitions again. Consumers skip duplicates by their positions.

        What the broker still has is no reason to leave an event out: a batch that was on its way
        when the broker lost the others may be the first record now.

        The saved end offsets are removed first: the publisher then accepts lower ones, and if this
        is interrupted, the next relay run begins again. Raise `LostRecords` if the broker does not
        show what it acknowledged now.
        """
        publisher = self.publisher
        await self._save({})
        state = await sequencer.read_log_state(self.conn)
        self.digest = await self.digest.renew(self.conn)
        log.warning("relay.publishing_again", partitions=list(partitions), upto=state.position)
        first: dict[int, int] = {}
        for partition in partitions:
            publisher.ends.pop(partition, None)
            at, shards = 0, shards_of([partition], publisher.partitions)
            while rows := await read.shards_rows(
                self.conn, shards, after=at, upto=state.position, limit=BATCH_EVENTS
            ):
                first = await self._publish_rows_again(rows) | first
                at = rows[-1]["position"]
        await publisher.check()
        await publisher.require_shown(first)
        await self._save(publisher.ends)

    async def _publish_rows_again(self, rows: Sequence[Any]) -> dict[int, int]:
        """Return partition → the offset of its first record.

        After a restart, the embedded broker refuses the first records for a partition once.
        """
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            retry=retry_if_exception_type(UnknownError),
            reraise=True,
        ):
            with attempt:
                return await self.publisher.publish(rows, self.digest, self.generation)
        raise AssertionError("the last attempt returns or raises")
