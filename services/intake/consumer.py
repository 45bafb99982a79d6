"""The FastStream consumer of the intake topic: whole batches of raw records for the admission."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy

from services.application.raw_record import RawRecord
from services.intake.kafka_reading import read_partitions_one_by_one
from services.intake.unread_records import UnreadRecords, ends_of
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.kafka_batches import join, raw_broker
from services.runtime.logging import get_logger

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
FROM_START_SECONDS = 60.0
"""Time after the topic was created again in which the group assigns its partitions."""
RECORD_BYTES = 16 * 1024 * 1024
"""The largest record that can be fetched. A larger one would stop its partition for ever."""
AdmitRecords = Callable[[Sequence[RawRecord]], Awaitable[Any]]

log = get_logger("intake")


class IntakeConsumer:
    """A consumer that commits offsets only after a batch is admitted.

    The group has the name of the topic. An error that a retry does not solve is set on `failed`.
    Nothing more is read then: the caller must stop the consumer.
    """

    def __init__(
        self, bootstrap_servers: str, topic: str, admit: AdmitRecords, *, batch_records: int,
        patience_seconds: float,
    ) -> None:  # fmt: skip
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.admitted = 0
        """Records admitted since the start."""
        self._admit, self._patience_seconds = admit, patience_seconds
        self.unread = UnreadRecords()
        self._from_start_until = 0.0
        """Loop time until which assigned partitions are read from offset 0."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._broker = raw_broker(bootstrap_servers)
        self._subscriber = self._broker.subscriber(
            topic,
            batch=True,
            group_id=topic,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            max_records=batch_records,
            batch_timeout_ms=10,
            fetch_max_wait_ms=100,
            fetch_min_bytes=1,
            fetch_max_bytes=RECORD_BYTES,
            max_partition_fetch_bytes=RECORD_BYTES,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=500,
            max_poll_interval_ms=600_000,
            isolation_level="read_committed",
            listener=_OffsetListener(self),
        )
        self._subscriber(self._on_batch)

    async def start(self) -> None:
        """Join the group. Raise `TimeoutError` if it never answers."""
        await join(self._broker)

    async def stop(self, seconds: float = 20) -> None:
        """Finish the current batch within `seconds`, then leave the group."""
        self._subscriber.running = False
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("intake.batch_unfinished")
        await self._broker.stop()

    @property
    def is_busy(self) -> bool:
        """Return whether a batch is being admitted."""
        return not self._idle.is_set()

    @property
    def kafka(self) -> Any:
        """Return aiokafka's consumer; None while stopped."""
        return self._subscriber.consumer

    def read_again(self) -> None:
        """Read the topic from offset 0: it was created again, and former offsets mean nothing.

        The group may assign the partitions later; their committed offsets are old ones too. A
        record that was admitted before is a duplicate.
        """
        self.unread = UnreadRecords()
        self._from_start_until = asyncio.get_running_loop().time() + FROM_START_SECONDS
        if self.kafka is not None:
            for partition in self.kafka.assignment():
                self.kafka.seek(partition, 0)

    async def must_start(self, partition: TopicPartition) -> bool:
        """Return whether a partition is read from offset 0 instead of its committed offset."""
        is_new = asyncio.get_running_loop().time() < self._from_start_until
        return is_new or await self.kafka.committed(partition) is None

    async def load_unread(self) -> dict[TopicPartition, tuple[int, int]]:
        """Return partition → (the offset to read next, the number of records from there on).

        Raise `LookupError` if a partition ends at a lower offset than before: the broker lost its
        data, and what it has now must be read from offset 0. A comparison of the end with what
        was read proves nothing: the embedded broker counts its last batch as one record.
        """
        partitions = self.kafka.assignment() if self.kafka is not None else set()
        if not partitions:
            return {}
        offsets = {key: await self.kafka.position(key) for key in partitions}
        self.unread.begin_at(offsets)
        ends = await self.kafka.end_offsets(partitions)
        self.unread.set_ends(ends)
        return {key: (offset, max(0, ends[key] - offset)) for key, offset in offsets.items()}

    async def _on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        self._idle.clear()
        self.unread.add_fetched(records)
        try:
            await self._persist([RawRecord.of(record) for record in records])
            self.unread.mark_admitted(records)
            await self._commit(records)
            self.admitted += len(records)
        except Exception as error:  # noqa: BLE001 — the process decides; nothing is committed
            log.error("intake.failed", error=error)
            if not self.failed.done():
                self.failed.set_exception(error)
        finally:
            self._idle.set()
        if self.failed.done():
            # Block: the offset of a later batch would commit this one too, and lose its records.
            await asyncio.Event().wait()

    async def _persist(self, records: Sequence[RawRecord]) -> None:
        """Admit a batch; repeat it while the database is unreachable, for `patience_seconds`."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._patience_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._admit(records)
                return
            except (*CONNECTION_ERRORS, *TRANSACTION_ERRORS) as error:
                if loop.time() + pause > give_up_at:
                    raise
                log.warning(
                    "intake.database_away", error=error, again_in_seconds=pause, is_retry=True
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _commit(self, records: Sequence[ConsumerRecord]) -> None:
        assigned = self.kafka.assignment() if self.kafka is not None else set()
        offsets = ends_of(records)
        current = {key: offset for key, offset in offsets.items() if key in assigned}
        try:
            if current:
                await self.kafka.commit(current)
        except KafkaError as error:
            log.info("intake.commit_postponed", error=error)


class _OffsetListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """A listener that starts partitions without a committed offset at offset 0.

    The default is the earliest offset. The embedded broker reports a wrong one if several
    producers write the first batches of a partition at once: the records before it would never be
    read. If a broker has deleted offset 0, it reports an error, and the client asks for the
    earliest.
    """

    def __init__(self, consumer: IntakeConsumer) -> None:
        self.consumer = consumer

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        kafka = self.consumer.kafka
        read_partitions_one_by_one(kafka)  # before the first record: nothing is read yet
        kafka.pause(*assigned)  # the client delivers records while this runs
        try:
            for partition in assigned:
                if await self.consumer.must_start(partition):
                    kafka.seek(partition, 0)
        finally:
            kafka.resume(*assigned)

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """Do nothing: the current batch continues. It commits only offsets that are assigned."""
