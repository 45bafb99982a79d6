"""A correction of aiokafka's consumer, so that one bad partition cannot lose records of others.

If one partition raises (a broken batch), the records that the same call read from other partitions
are lost, because their positions have advanced. So partitions are read one by one.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

MAX_RECORDS = 500
WAIT_MILLISECONDS = 500
"""Longest wait for a record; it ends as soon as one has arrived."""
Batches = dict[TopicPartition, list[ConsumerRecord]]
GetMany = Callable[..., Awaitable[Batches]]


def read_partitions_one_by_one(kafka: Any) -> None:
    """Replace `getmany` of an AIOKafkaConsumer, so that it reads the partitions in turn.

    It waits for the first record of any partition. It raises the error of a partition only if no
    other partition had records; the next call raises it again. A second call of this function
    changes nothing.
    """
    if "getmany" in vars(kafka):
        return
    original: GetMany = kafka.getmany
    turn = 0

    async def getmany(*, timeout_ms: int = 0, max_records: int | None = None) -> Batches:
        nonlocal turn
        batches: Batches = {}
        failed: Exception | None = None
        try:
            # One record comes from one partition: an error cannot lose records of others.
            batches |= await original(timeout_ms=max(timeout_ms, WAIT_MILLISECONDS), max_records=1)
        except Exception as error:  # noqa: BLE001 — one partition must not stop the others
            failed = error
        partitions = sorted(kafka.assignment())
        if partitions and (batches or failed):
            turn = (turn + 1) % len(partitions)
            in_turn = partitions[turn:] + partitions[:turn]
            limit = (max_records or MAX_RECORDS) - len(batches)
            failed = await _read(original, in_turn, limit, batches) or failed
        if failed and not batches:
            raise failed
        return batches

    kafka.getmany = getmany


async def _read(
    get_many: GetMany, partitions: list[TopicPartition], limit: int, batches: Batches
) -> Exception | None:
    """Read an equal share of each partition first, then fill up to `limit` records.

    So no partition waits for a full one. Return the first error of a partition.
    """
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
    return failed
