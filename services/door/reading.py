"""Reading past records that the client itself cannot read, one of which would stop a partition.

aiokafka reads a header's name as UTF-8 and raises in the middle of a fetch where it is not: nothing
after that record would ever come. Such a record is found, stepped over, and handed on without its
content, so that it becomes a dead letter like every other that cannot be read.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

UNREADABLE = "crm-unreadable"
Batches = dict[TopicPartition, list[ConsumerRecord]]
GetMany = Callable[..., Awaitable[Batches]]


def step_over_unreadable(kafka: Any) -> None:
    """Make this AIOKafkaConsumer's `getmany` step over what it cannot read."""
    plain: GetMany = kafka.getmany

    async def getmany(
        *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Batches:
        try:
            return await plain(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        except UnicodeDecodeError:
            wanted = partitions or tuple(kafka.assignment())
            return await _one_by_one(kafka, plain, wanted, timeout_ms, max_records or 500)

    kafka.getmany = getmany


async def _one_by_one(
    kafka: Any, plain: GetMany, partitions: tuple[TopicPartition, ...], timeout_ms: int, most: int
) -> Batches:
    """Read each partition record by record until the one that cannot be read, and step over it."""
    found: Batches = {}
    for place in partitions:
        records = found.setdefault(place, [])
        while sum(map(len, found.values())) < most:
            try:
                read = await plain(place, timeout_ms=timeout_ms, max_records=1)
            except UnicodeDecodeError as error:
                offset = await kafka.position(place)
                kafka.seek(place, offset + 1)
                records.append(_placeholder(place, offset, error))
                break
            if not read:
                break
            records += read[place]
    return {place: records for place, records in found.items() if records}


def _placeholder(place: TopicPartition, offset: int, error: Exception) -> ConsumerRecord:
    why = f"at {place.topic}/{place.partition}/{offset}: {error}"
    return ConsumerRecord(
        topic=place.topic, partition=place.partition, offset=offset, timestamp=-1,
        timestamp_type=0, key=None, value=None, checksum=None, serialized_key_size=-1,
        serialized_value_size=-1, headers=((UNREADABLE, why.encode()),),
    )  # fmt: skip
