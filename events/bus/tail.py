"""The last records of a topic: what a relay compares with the log before it numbers events."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from events.bus import wire
from events.bus.digest import RecordDigest
from events.bus.wire import ReceivedRecord

FIRST_RECORDS = 1
RECORDS_FACTOR = 32
MAX_RECORDS = FIRST_RECORDS * RECORDS_FACTOR**3
"""Records before the end of a partition in which one of the relay is looked for.

Others can only be there if somebody else writes to the topic, or after a rotation of the key
without an overlap.
"""
POLL_MILLISECONDS = 200
FETCH_RECORDS = 5_000
SILENT_SECONDS = 2.0
"""Time without a record after which the broker is taken to have no more."""


class TopicTail(NamedTuple):
    """The place of a record in the history of the log, as (generation, position)."""

    generation: int
    position: int


async def read_tails(
    consumer: AIOKafkaConsumer,
    topic: str,
    ends: Mapping[int, int],
    digest: RecordDigest,
) -> dict[int, TopicTail]:
    """Return partition → the latest of its last records that the relay of this log wrote.

    `ends`: partition → the end offset that the broker reports. A broker may report the offset after
    the first record of the last batch; the whole batch counts. A partition without a record of the
    relay is left out.
    """
    tails: dict[int, TopicTail] = {}
    count, missing = FIRST_RECORDS, {p: end for p, end in ends.items() if end > 0}
    while missing and count <= MAX_RECORDS:
        starts = {partition: max(0, end - count) for partition, end in missing.items()}
        for record in await _fetch(consumer, topic, starts, missing):
            if received := _verify(record, digest):
                tail = TopicTail(received.generation, received.position)
                tails[record.partition] = max(tail, tails.get(record.partition, tail))
        missing = {p: end for p, end in missing.items() if p not in tails and starts[p] > 0}
        count *= RECORDS_FACTOR
    return tails


async def find_shown(
    consumer: AIOKafkaConsumer, topic: str, offsets: Mapping[int, int]
) -> set[int]:
    """Return the partitions in which the broker shows a record at the given offset."""
    ends = {partition: offset + 1 for partition, offset in offsets.items()}
    records = await _fetch(consumer, topic, offsets, ends)
    return {r.partition for r in records if r.offset == offsets[r.partition]}


async def _fetch(
    consumer: AIOKafkaConsumer, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
) -> list[ConsumerRecord]:
    """Return the records from `starts` to at least `ends`, as far as the broker still has them."""
    partitions = {TopicPartition(topic, number): number for number in starts}
    consumer.assign(list(partitions))
    try:
        for partition, number in partitions.items():
            consumer.seek(partition, starts[number])
        records: list[ConsumerRecord] = []
        silent_at = time.monotonic() + SILENT_SECONDS
        while partitions and time.monotonic() < silent_at:
            fetched = await consumer.getmany(
                *partitions, timeout_ms=POLL_MILLISECONDS, max_records=FETCH_RECORDS
            )
            for page in fetched.values():
                records += page
            if fetched:
                silent_at = time.monotonic() + SILENT_SECONDS
            for partition in fetched:
                if await consumer.position(partition) >= ends[partitions[partition]]:
                    del partitions[partition]
        return records
    finally:
        consumer.assign([])


def _verify(record: ConsumerRecord, digest: RecordDigest) -> ReceivedRecord | None:
    if digest.find_problem(record.key, record.value, record.headers):
        return None
    try:
        return wire.read_record(record.value, digest.log_id)
    except wire.ForeignRecord:
        return None
