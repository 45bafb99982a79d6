"""The check that ends the intake when its consumer stalls: some clients hang without an error."""

import asyncio

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from services.intake.consumer import IntakeConsumer
from services.runtime.logging import get_logger
from services.runtime.process import sleep_unless

LOOK_SECONDS = 2.0
STALLED_SECONDS = 30.0
"""Time after which a partition with unread records counts as stalled."""

log = get_logger("intake")


class StalledConsumer(Exception):
    """A consumer that reads no more although there are records: only a new process helps."""


async def end_when_stalled(
    consumer: IntakeConsumer, stop: asyncio.Event, patience_seconds: float
) -> None:
    """Run until stopped.

    Raise `StalledConsumer` if a partition is not read, the broker lost records, or the broker has
    not answered for `patience_seconds`.
    """
    loop = asyncio.get_running_loop()
    looked_at = answered_at = loop.time()
    stalls = PartitionStalls()
    admitted = -1
    while not await sleep_unless(stop, LOOK_SECONDS):
        now = loop.time()
        passed, looked_at = now - looked_at, now
        try:
            async with asyncio.timeout(10):
                unread = await consumer.load_unread()
        except LookupError as error:
            raise StalledConsumer(str(error)) from error
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("intake.broker_away", error=error, is_retry=True)
            if now - answered_at > patience_seconds:
                raise StalledConsumer(
                    f"the broker has not answered for {patience_seconds:g} s"
                ) from error
            continue
        answered_at = now
        if consumer.is_busy and consumer.admitted == admitted:
            passed = 0  # one batch takes long: nothing is read meanwhile
        admitted = consumer.admitted
        stalls.update(unread, passed)


class PartitionStalls:
    """The time for which each partition with unread records has stayed at its offset."""

    def __init__(self) -> None:
        self._stalls: dict[TopicPartition, tuple[int, float]] = {}

    def update(self, unread: dict[TopicPartition, tuple[int, int]], passed: float) -> None:
        """Add `passed` seconds to partitions that did not move. Raise `StalledConsumer`."""
        self._stalls = {
            partition: (offset, self._seconds(partition, offset, passed))
            for partition, (offset, left) in unread.items()
            if left
        }
        for partition, (offset, seconds) in self._stalls.items():
            if seconds > STALLED_SECONDS:
                where = f"{partition.topic}/{partition.partition}/{offset}"
                raise StalledConsumer(f"{where} has not been read for {STALLED_SECONDS:g} s")

    def _seconds(self, partition: TopicPartition, offset: int, passed: float) -> float:
        before, seconds = self._stalls.get(partition, (-1, 0.0))
        return seconds + passed if before == offset else 0.0
