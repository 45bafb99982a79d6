"""A correction of aiokafka's consumer, so that one bad partition cannot lose records of others.

If one partition raises (a broken batch), the records that the same call read from other partitions
are lost, because their positions have advanced. So partitions are read one by one.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

MAX_RECORDS = 500
Batches = dict[TopicPartition, list[ConsumerRecord]]
GetMany = Callable[..., Awaitable[Batches]]


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
