"""A FastStream consumer of the intake topic that hands whole batches of raw records to the door."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy

from services.intake.kafka_reading import ask_one_by_one, read_any_name
from services.intake.raw_record import Received
from services.runtime.database import AWAY
from services.runtime.kafka_batches import join, raw_broker
from services.runtime.logging import get_logger

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
RECORD_BYTES = 16 * 1024 * 1024
"""The largest record that can be fetched: a larger one would stop its partition for ever."""
TakeIn = Callable[[Sequence[Received]], Awaitable[Any]]

log = get_logger("intake")


class Consumer:
    """Reads the topic, has each batch taken in, and only then commits its offsets.

    The group is called as the topic. Whatever cannot be got over ends up in `failed`: whoever
    runs the consumer must end the process then, for nothing more is read.
    """

    def __init__(
        self, bootstrap_servers: str, topic: str, take_in: TakeIn, *, batch_records: int,
        patience_seconds: float,
    ) -> None:  # fmt: skip
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.read = 0
        """Records taken in since the start."""
        self._take_in, self._patience_seconds = take_in, patience_seconds
        self._ends: dict[TopicPartition, int] = {}
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
            listener=_FromTheFirst(self),
        )
        self._subscriber(self._on_batch)

    async def start(self) -> None:
        """Join the group. Raises `TimeoutError` where it never answers."""
        read_any_name()
        await join(self._broker)

    async def stop(self, seconds: float = 20) -> None:
        """Finish the batch in hand, at most so long, and leave the group."""
        self._subscriber.running = False
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            log.warning("intake.batch_unfinished")
        await self._broker.stop()

    @property
    def busy(self) -> bool:
        """Whether a batch is being taken in."""
        return not self._idle.is_set()

    @property
    def kafka(self) -> Any:
        """aiokafka's consumer; None while stopped."""
        return self._subscriber.consumer

    async def unread(self) -> dict[TopicPartition, tuple[int, int]]:
        """Where it reads each partition, and how many records the broker holds from there on.

        Raises `LookupError` where a partition ends before where it ended once: the broker has
        forgotten, and what it holds now must be read from its start. (To compare ends with what
        was read is no proof: the embedded broker counts its last batch as one record.)
        """
        places = self.kafka.assignment() if self.kafka is not None else set()
        if not places:
            return {}
        positions = {place: await self.kafka.position(place) for place in places}
        ends = await self.kafka.end_offsets(places)
        if any(ends[place] < self._ends.get(place, 0) for place in places):
            raise LookupError("the broker has forgotten records: read it from its start")
        self._ends |= ends
        return {place: (at, max(0, ends[place] - at)) for place, at in positions.items()}

    async def _on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        self._idle.clear()
        try:
            await self._persist([Received.of(record) for record in records])
            await self._commit(records)
            self.read += len(records)
        except Exception as error:  # noqa: BLE001 — an edge: nothing is committed past it
            log.error("intake.failed", error=repr(error))
            if not self.failed.done():
                self.failed.set_exception(error)
        finally:
            self._idle.set()
        if self.failed.done():
            await asyncio.Event().wait()  # the next batch would be committed past this one

    async def _persist(self, records: Sequence[Received]) -> None:
        """Try until it is durable; a database that stays away too long is an error."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._patience_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._take_in(records)
                return
            except AWAY as error:
                if loop.time() + pause > give_up_at:
                    raise
                log.warning("intake.database_away", error=repr(error), again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _commit(self, records: Sequence[ConsumerRecord]) -> None:
        held = self.kafka.assignment() if self.kafka is not None else set()
        offsets = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
        known = {place: offset for place, offset in offsets.items() if place in held}
        try:
            if known:
                await self.kafka.commit(known)
        except KafkaError as error:
            log.info("intake.commit_postponed", error=repr(error))


class _FromTheFirst(ConsumerRebalanceListener):  # type: ignore[misc]
    """Where nothing is committed, read from offset 0 instead of from what is told to be earliest.

    The embedded broker tells a later batch's offset as the earliest where several producers make
    a partition's first batches at once: what came before would never be read. A broker that has
    deleted offset 0 says so, and the client asks for the earliest then.
    """

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        kafka = self.consumer.kafka
        ask_one_by_one(kafka)  # before the first record: nothing is read without partitions
        kafka.pause(*assigned)  # records are handed out while this runs, unless they are paused
        try:
            for place in assigned:
                if await kafka.committed(place) is None:
                    kafka.seek(place, 0)
        finally:
            kafka.resume(*assigned)

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """What is being taken in goes on: its offsets are committed only while they are ours."""
