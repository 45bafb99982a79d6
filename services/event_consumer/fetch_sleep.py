"""The sleep of a consumer: it fetches nothing from the broker while no events come.

A broker should hold a fetch until a record arrives. The embedded one holds it for its whole time
also if records arrive, so fetches must be short, and short fetches without end cost CPU time. So
all partitions are paused until an announcement, or until the safety time has passed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from services.runtime.event_signal import EventSignal

LAG_SECONDS = 5.0
"""Limit for the question how far the broker is. A broker that does not answer is then fetched."""
AWAKE_WAIT_MILLISECONDS = 20
"""Wait of a poll, which ends as soon as a record has arrived."""
Batches = dict[TopicPartition, list[ConsumerRecord]]
GetMany = Callable[..., Awaitable[Batches]]


class FetchSleep:
    """The sleep of one consumer, until its process is woken or the broker has unread records."""

    def __init__(self, signal: EventSignal) -> None:
        self.signal = signal
        self._woken = asyncio.Event()
        signal.add_sleeper(self._woken)
        self._is_claiming = False
        """True while partitions are paused, because their shards are not owned yet."""

    def control(self, kafka: Any) -> None:
        """Replace `getmany` of an AIOKafkaConsumer. A second call changes nothing."""
        if "getmany" in vars(kafka):
            return
        original: GetMany = kafka.getmany

        async def getmany(*, timeout_ms: int = 0, max_records: int | None = None) -> Batches:
            wait = max(timeout_ms, AWAKE_WAIT_MILLISECONDS)
            batches = await original(timeout_ms=wait, max_records=max_records)
            if batches:
                self.signal.stay_awake()
            elif not self.signal.is_awake:
                await self._sleep(kafka)
            return batches

        kafka.getmany = getmany

    @contextmanager
    def paused(self, kafka: Any, partitions: Collection[TopicPartition]) -> Iterator[None]:
        """Pause these partitions for the duration of a block, then fetch at once."""
        kafka.pause(*partitions)
        self._is_claiming = True
        try:
            yield
        finally:
            self._is_claiming = False
            kafka.resume(*partitions)
            self.signal.wake()

    async def _sleep(self, kafka: Any) -> None:
        """Pause all partitions until something may have come, and then stay awake for a while."""
        if not (self._is_claiming or self._woken.is_set()):
            kafka.pause(*kafka.assignment())
            try:
                while not (await self._is_woken() or await self._may_have_records(kafka)):
                    pass
            finally:
                if not self._is_claiming:
                    kafka.resume(*kafka.assignment())
        self._woken.clear()
        self.signal.stay_awake()

    async def _is_woken(self) -> bool:
        """Wait for an announcement; return False after the safety time."""
        try:
            async with asyncio.timeout(self.signal.safety_seconds):
                return await self._woken.wait()
        except TimeoutError:
            return not self.signal.is_listening

    async def _may_have_records(self, kafka: Any) -> bool:
        """Return whether this consumer is behind, or the broker does not answer."""
        try:
            async with asyncio.timeout(LAG_SECONDS):
                return await is_lagging(kafka)
        except (KafkaError, TimeoutError):
            return True


async def is_lagging(kafka: Any) -> bool:
    """Return whether the broker has records that a consumer has not read."""
    partitions = kafka.assignment()
    if not partitions:
        return False
    ends = await kafka.end_offsets(partitions)
    return any([await kafka.position(key) < ends[key] for key in partitions])
