"""Two corrections of aiokafka's consumer, so that one bad record cannot stop or lose others.

1. aiokafka decodes header names as UTF-8 and raises in the middle of a batch if one is not. Nothing
   after it would ever be read. The intake does not need such a header, so its name is replaced by
   question marks.
2. If one partition raises (a broken batch), the records that the same call read from other
   partitions are lost, because their positions have advanced. So partitions are read one by one.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

MAX_RECORDS = 500
Batches = dict[TopicPartition, list[ConsumerRecord]]
GetMany = Callable[..., Awaitable[Batches]]


class TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A record batch whose header names may be any bytes."""

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:
            self._overwrite_names()
            return super()._read_msg()

    def _overwrite_names(self) -> None:
        """Replace header names of the next record that are not UTF-8.

        A record has length, attributes, time, offset, key, value and headers, in this order.
        """
        buffer, at = self._buffer, self._pos
        for _ in range(4):
            _, at = decode_varint(buffer, at)
        for _ in range(2):
            size, at = decode_varint(buffer, at)
            at += max(size, 0)
        headers, at = decode_varint(buffer, at)
        for _ in range(headers):
            size, at = decode_varint(buffer, at)
            try:
                buffer[at : at + size].decode()
            except UnicodeDecodeError:
                buffer[at : at + size] = b"?" * size
            at += size
            size, at = decode_varint(buffer, at)
            at += max(size, 0)


class _TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """The records of a fetch, read as `TolerantBatch`."""

    def next_batch(self) -> Any:
        data = self._next_slice
        batch = super().next_batch()
        return TolerantBatch(data) if isinstance(batch, DefaultRecordBatch) else batch


def tolerate_header_names() -> None:
    """Make the aiokafka consumers of this process accept every header name."""
    fetcher.MemoryRecords = _TolerantRecords


def read_partitions_one_by_one(kafka: Any) -> None:
    """Replace `getmany` of an AIOKafkaConsumer, so that it reads the partitions in turn.

    It no longer waits for records: FastStream pauses after an empty result. It raises the error of
    a partition only if no other partition had records; the next call raises it again. A second
    call of this function changes nothing.
    """
    if "getmany" in vars(kafka):
        return
    original: GetMany = kafka.getmany
    turn = 0

    async def getmany(*, timeout_ms: int = 0, max_records: int | None = None) -> Batches:
        nonlocal turn
        partitions = sorted(kafka.assignment())
        if not partitions:
            return await original(timeout_ms=timeout_ms, max_records=1)
        turn = (turn + 1) % len(partitions)
        in_turn = partitions[turn:] + partitions[:turn]
        return await _read(original, in_turn, max_records or MAX_RECORDS)

    kafka.getmany = getmany


async def _read(get_many: GetMany, partitions: list[TopicPartition], limit: int) -> Batches:
    """Read an equal share of each partition first, then fill up to `limit` records.

    So no partition waits for a full one. Raise the error of a partition if none had records.
    """
    batches: Batches = {}
    failed: Exception | None = None
    left = limit
    for share in (max(1, limit // len(partitions)), limit):
        for partition in partitions:
            try:
                read = await get_many(partition, max_records=min(share, left)) if left else {}
            except Exception as error:  # noqa: BLE001 — one partition must not stop the others
                failed = failed or error
                continue
            for records in read.values():
                batches.setdefault(partition, []).extend(records)
                left -= len(records)
        if not batches:
            break
    if failed and not batches:
        raise failed
    return batches
