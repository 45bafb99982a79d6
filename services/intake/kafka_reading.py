"""Reading what the client cannot, or loses: header names that are no text, and partitions' errors.

aiokafka reads a header's name as UTF-8 and raises in the middle of a batch where it is not: nothing
after it would ever come. Such a name is no business of ours, so its bytes become question marks.

And where a partition raises (a broken batch), what the same call had drained of others is lost, for
their positions have moved on. So each partition is asked by itself.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

MOST_RECORDS = 500
Batches = dict[TopicPartition, list[ConsumerRecord]]
GetMany = Callable[..., Awaitable[Batches]]


class Batch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A batch in which a header may be called anything."""

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:
            self._write_over_names()
            return super()._read_msg()

    def _write_over_names(self) -> None:
        """In the record that comes next: length, attributes, time, offset, key, value, headers."""
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


class _Records(_MemoryRecordsPy):  # type: ignore[misc]
    """What a fetch brought, its batches read by the above."""

    def next_batch(self) -> Any:
        data = self._next_slice
        found = super().next_batch()
        return Batch(data) if isinstance(found, DefaultRecordBatch) else found


def read_any_name() -> None:
    """Make aiokafka's consumers in this process read every header's name."""
    fetcher.MemoryRecords = _Records


def ask_one_by_one(kafka: Any) -> None:
    """Make this AIOKafkaConsumer's `getmany` ask the partitions in turn; again changes nothing.

    It waits for no record any more (FastStream pauses after an empty answer), and raises what a
    partition raised only where no other had anything: it is raised again at the next call.
    """
    if "getmany" in vars(kafka):
        return
    plain: GetMany = kafka.getmany
    turn = 0

    async def getmany(*, timeout_ms: int = 0, max_records: int | None = None) -> Batches:
        nonlocal turn
        places = sorted(kafka.assignment())
        if not places:
            return await plain(timeout_ms=timeout_ms, max_records=1)
        turn = (turn + 1) % len(places)
        return await _drain(plain, places[turn:] + places[:turn], max_records or MOST_RECORDS)

    kafka.getmany = getmany


async def _drain(plain: GetMany, places: list[TopicPartition], most: int) -> Batches:
    """First a fair share of each, so that none waits for a full one; then what there is room for.

    Raises what a partition raised where none had anything.
    """
    found: Batches = {}
    failed: Exception | None = None
    left = most
    for share in (max(1, most // len(places)), most):
        for place in places:
            try:
                read = await plain(place, max_records=min(share, left)) if left else {}
            except Exception as error:  # noqa: BLE001 — of one partition; the others go on
                failed = failed or error
                continue
            for records in read.values():
                found.setdefault(place, []).extend(records)
                left -= len(records)
        if not found:
            break
    if failed and not found:
        raise failed
    return found
