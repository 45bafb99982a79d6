"""The publisher of log rows: batches per partition, in order, acknowledged by all replicas."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from events.bus import wire
from events.bus.brokers import client_options
from events.bus.digest import RecordDigest
from events.bus.header_names import tolerate_header_names
from events.bus.tail import TopicTail, find_shown, read_tails
from events.bus.wire import Row
from events.log.shard import SHARDS, check_partitions

BATCH_BYTES = 512 * 1024
"""Twice the largest event, and below 1 MiB, the default limit of a broker."""
MAX_RECORD_BYTES = 2 * BATCH_BYTES
"""The default limit of a broker. Only events of the host can fill a batch alone."""
REQUEST_SECONDS = 10


class LostRecords(Exception):
    """A broker with fewer records than it acknowledged; `ends` is partition → its present end."""

    def __init__(self, ends: Mapping[int, int]) -> None:
        super().__init__(f"the broker lost records; partitions now end at {dict(ends)}")
        self.ends = dict(ends)


class PartitionCountChanged(Exception):
    """A topic whose number of partitions has changed: connect again."""

    def __init__(self, before: int, now: int) -> None:
        super().__init__(f"the topic has {now} partitions now instead of {before}: connect again")


class Publisher:
    """A producer for one topic that remembers the acknowledged end of each partition.

    `ends` is partition → the offset after the first record of its last batch. That offset is
    enough, because a broker keeps or loses a whole batch, and some brokers report it as the end.
    """

    def __init__(self, bootstrap_servers: str, topic: str, *, idempotent: bool = False) -> None:
        self.topic = topic
        self._producer = AIOKafkaProducer(
            **client_options(bootstrap_servers),
            acks="all",
            enable_idempotence=idempotent,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
            request_timeout_ms=REQUEST_SECONDS * 1000,
            retry_backoff_ms=50,
            metadata_max_age_ms=5_000,
        )
        tolerate_header_names()
        self._reader = AIOKafkaConsumer(
            **client_options(bootstrap_servers),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_SECONDS * 1000,
            metadata_max_age_ms=5_000,
        )
        self.partitions = 0
        self.ends: dict[int, int] = {}

    async def start(self) -> None:
        """Connect to the broker. Raises `ValueError` if the number of partitions splits shards."""
        await self._producer.start()
        await self._reader.start()
        self.partitions = len(await self._producer.partitions_for(self.topic))
        check_partitions(self.partitions)

    async def stop(self) -> None:
        await self._producer.stop()
        await self._reader.stop()

    async def publish(
        self, rows: Sequence[Row], digest: RecordDigest, generation: int
    ) -> dict[int, int]:
        """Publish signed records of rows in order, and return when every replica has them.

        Return partition → the offset of its first record.

        Raises `LostRecords` if the broker assigns offsets a second time, `PartitionCountChanged`,
        and errors of aiokafka. After an error it is unknown what was published: publish again.
        """
        pending: list[_PendingBatch] = []
        batches: dict[int, Any] = {}
        for row in rows:
            key, value, headers = digest.sign(wire.record_of(row, digest.log_id, generation))
            timestamp = int(row["recorded_at"].timestamp() * 1000)
            partition = row["shard"] % self.partitions
            record = {"key": key, "value": value, "timestamp": timestamp, "headers": headers}
            batch = batches.get(partition)
            if batch is None or batch.append(**record) is None:
                if batch is not None:
                    pending.append(await self._send(batch, partition))
                batch = batches[partition] = self._producer.create_batch()
                batch.append(**record)  # an empty batch accepts a record of any size
                if batch.size() > MAX_RECORD_BYTES:
                    raise ValueError(
                        f"event {row['id']} is a record of {batch.size():,} bytes and stops "
                        f"the relay: raise MAX_RECORD_BYTES ({MAX_RECORD_BYTES:,}) "
                        "and the broker's max.message.bytes"
                    )
        for partition, batch in batches.items():
            pending.append(await self._send(batch, partition))
        acknowledgements = await asyncio.gather(*(sent.acknowledged for sent in pending))
        first: dict[int, int] = {}
        ends = dict(self.ends)
        lost: dict[int, int] = {}
        for sent, acknowledged in zip(pending, acknowledgements, strict=True):
            # A broker that lost records continues at a lower offset than it acknowledged before.
            if acknowledged.offset < ends.get(sent.partition, 0):
                lost.setdefault(sent.partition, acknowledged.offset)
            first.setdefault(sent.partition, acknowledged.offset)
            ends[sent.partition] = acknowledged.offset + 1
        if lost:
            raise LostRecords(lost)
        self.ends = ends
        return first

    async def check(self) -> None:
        """Compare the topic with the acknowledged ends.

        Raises `LostRecords`, `PartitionCountChanged`.
        """
        await self._check_partition_count()
        ends = await self.broker_ends()
        lost = {p: ends.get(p, 0) for p, end in self.ends.items() if ends.get(p, 0) < end}
        if lost:
            raise LostRecords(lost)

    async def broker_ends(self) -> dict[int, int]:
        """Return partition → the offset after its last record."""
        partitions = [TopicPartition(self.topic, number) for number in range(self.partitions)]
        ends = await self._reader.end_offsets(partitions)
        return {partition.partition: end for partition, end in ends.items()}

    async def require_shown(self, offsets: Mapping[int, int]) -> None:
        """Raise `LostRecords` if the broker does not show the records at these offsets.

        The embedded broker acknowledges records for a topic that it does not know after a restart.
        They count in the end offsets, but no client gets them.
        """
        if hidden := await self._find_hidden(offsets):
            raise LostRecords(dict.fromkeys(hidden, 0))

    async def _find_hidden(self, offsets: Mapping[int, int]) -> set[int]:
        """Return the partitions in which the broker shows no record at the given offset."""
        shown = await find_shown(self._reader, self.topic, offsets)
        return offsets.keys() - shown

    async def latest_tail(self, digest: RecordDigest) -> TopicTail:
        """Return the latest record on the topic that the relay wrote, (0, 0) without one."""
        tails = await read_tails(self._reader, self.topic, await self.broker_ends(), digest)
        return max(tails.values(), default=TopicTail(0, 0))

    async def _check_partition_count(self) -> None:
        """Raise `PartitionCountChanged` if the client's metadata has another number of partitions.

        aiokafka fails with an assertion for a partition that does not exist any more.
        """
        count = len(await self._producer.partitions_for(self.topic))
        if count != self.partitions:
            raise PartitionCountChanged(self.partitions, count)

    async def _send(self, batch: Any, partition: int) -> "_PendingBatch":
        await self._check_partition_count()
        batch.close()
        acknowledged = await self._producer.send_batch(batch, self.topic, partition=partition)
        return _PendingBatch(partition, acknowledged)


class _PendingBatch(NamedTuple):
    """A batch that was sent and is not yet acknowledged."""

    partition: int
    acknowledged: "asyncio.Future[Any]"


def shards_of(partitions: Sequence[int], count: int) -> list[int]:
    """Return the shards in some partitions of a topic with `count` partitions."""
    return [shard for shard in range(SHARDS) if shard % count in set(partitions)]
