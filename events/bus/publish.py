"""Publishing rows of the log: batches per partition, in order, acknowledged by all replicas."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from events.bus import wire
from events.bus.wire import Row
from events.log.shard import SHARDS, check_partitions

BATCH_BYTES = 512 * 1024
"""Twice the largest event; below the 1 MiB a broker takes by default."""
LARGEST_BYTES = 2 * BATCH_BYTES
"""What a broker takes by default. Only what the host wrote in SQL can fill a batch alone."""
REQUEST_SECONDS = 10


class Lost(Exception):
    """The broker has fewer records than it acknowledged: partition → the end it has now."""

    def __init__(self, ends: Mapping[int, int]) -> None:
        super().__init__(f"the broker lost records; partitions now end at {dict(ends)}")
        self.ends = dict(ends)


class Repartitioned(Exception):
    """The topic has another number of partitions than when it was opened: open it again."""

    def __init__(self, before: int, now: int) -> None:
        super().__init__(f"the topic has {now} partitions now, not {before}")


class Publisher:
    """Writes rows to one topic and remembers what each partition has acknowledged.

    `ends`: partition → the offset after the first record of its last batch. A batch is kept or
    lost whole, and some brokers tell just this offset as a partition's end.
    """

    def __init__(self, bootstrap_servers: str, topic: str, *, idempotent: bool = False) -> None:
        self.topic = topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers,
            acks="all",
            enable_idempotence=idempotent,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=LARGEST_BYTES,
            request_timeout_ms=REQUEST_SECONDS * 1000,
            retry_backoff_ms=50,
            metadata_max_age_ms=5_000,
        )
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=REQUEST_SECONDS * 1000,
            metadata_max_age_ms=5_000,
        )
        self.partitions = 0
        self.ends: dict[int, int] = {}

    async def start(self) -> None:
        """Connect. Raises `ValueError` for a topic that tears shards apart."""
        await self._producer.start()
        await self._reader.start()
        self.partitions = len(await self._producer.partitions_for(self.topic))
        check_partitions(self.partitions)

    async def stop(self) -> None:
        await self._producer.stop()
        await self._reader.stop()

    async def publish(self, rows: Sequence[Row], log_id: UUID, generation: int) -> None:
        """Publish rows in order; returns when every replica has them.

        Raises `Lost` where the broker gives out offsets it had given out before, `Repartitioned`,
        and aiokafka's errors: what was published then is not known, publish again.
        """
        sent: list[_Sent] = []
        batches: dict[int, Any] = {}
        for row in rows:
            key, value, headers = wire.record_of(row, log_id, generation)
            at = int(row["recorded_at"].timestamp() * 1000)
            partition = row["shard"] % self.partitions
            said = {"key": key, "value": value, "timestamp": at, "headers": headers}
            batch = batches.get(partition)
            if batch is None or batch.append(**said) is None:
                if batch is not None:
                    sent.append(await self._send(batch, partition))
                batch = batches[partition] = self._producer.create_batch()
                batch.append(**said)  # a first record is taken whatever its size
                if batch.size() > LARGEST_BYTES:
                    raise ValueError(
                        f"event {row['id']} is a record of {batch.size():,} bytes and stops the "
                        f"relay: raise LARGEST_BYTES ({LARGEST_BYTES:,}) and max.message.bytes"
                    )
        for partition, batch in batches.items():
            sent.append(await self._send(batch, partition))
        answers = await asyncio.gather(*(one.acknowledged for one in sent))
        ends = dict(self.ends)
        lost: dict[int, int] = {}
        for one, answer in zip(sent, answers, strict=True):
            if answer.offset < ends.get(one.partition, 0):
                lost.setdefault(one.partition, answer.offset)
            ends[one.partition] = answer.offset + 1
        if lost:
            raise Lost(lost)
        self.ends = ends

    async def check(self) -> None:
        """Compare the broker's topic with what it acknowledged. Raises `Lost`, `Repartitioned`."""
        await self._demand_partitions()
        found = await self.broker_ends()
        lost = {p: found.get(p, 0) for p, end in self.ends.items() if found.get(p, 0) < end}
        if lost:
            raise Lost(lost)

    async def broker_ends(self) -> dict[int, int]:
        """Partition → the offset after its last record."""
        asked = [TopicPartition(self.topic, number) for number in range(self.partitions)]
        found = await self._reader.end_offsets(asked)
        return {partition.partition: end for partition, end in found.items()}

    async def last_position(self, partition: int, end: int) -> int:
        """The position of the last record before an offset; 0 where there is none to be read."""
        if end <= 0:
            return 0
        place = TopicPartition(self.topic, partition)
        self._reader.assign([place])
        self._reader.seek(place, end - 1)
        found = await self._reader.getmany(place, timeout_ms=2_000, max_records=1)
        self._reader.assign([])
        for records in found.values():
            for record in records:
                if record.offset == end - 1:
                    return wire.position_of(record.value)
        return 0

    async def _demand_partitions(self) -> None:
        """As far as the client knows: it asserts that a partition it is given exists."""
        count = len(await self._producer.partitions_for(self.topic))
        if count != self.partitions:
            raise Repartitioned(self.partitions, count)

    async def _send(self, batch: Any, partition: int) -> "_Sent":
        await self._demand_partitions()
        batch.close()
        acknowledged = await self._producer.send_batch(batch, self.topic, partition=partition)
        return _Sent(partition, acknowledged)


class _Sent(NamedTuple):
    """A batch on its way."""

    partition: int
    acknowledged: "asyncio.Future[Any]"


async def create_topic(
    bootstrap_servers: str, topic: str, *, partitions: int, replicas: int
) -> None:
    """Make a topic where it is not there yet."""
    check_partitions(partitions)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        known = await admin.list_topics()
        if topic not in known:
            await admin.create_topics([NewTopic(topic, partitions, replicas)])
    except TopicAlreadyExistsError:
        pass
    finally:
        await admin.close()


async def partitions_of(bootstrap_servers: str, topic: str) -> int:
    """How many partitions a topic has; 0 where there is none. Asking does not make it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        if topic not in await admin.list_topics():
            return 0
        (described,) = await admin.describe_topics([topic])
        return len(described["partitions"])
    finally:
        await admin.close()


def shards_of(partitions: Sequence[int], count: int) -> list[int]:
    """The shards that lie in some partitions of a topic of `count`."""
    return [shard for shard in range(SHARDS) if shard % count in set(partitions)]
