"""The FastStream consumer of the events topic: batches of raw records for the engine."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy

from events.bus.verify import VerifyingReader
from events.log.sequencer import LogState
from events.log.shard import shards_in
from projections.engine.live import Engine
from services.event_consumer.fetch_sleep import FetchSleep, is_lagging
from services.event_consumer.standstill_report import LAST_FAILURE
from services.event_consumer.traced_events import TracedEvents
from services.runtime.event_signal import EventSignal
from services.runtime.kafka_batches import join, raw_broker
from services.runtime.logging import get_logger

BATCH_EVENTS = 2_500
"""Largest batch. More events do not fit the caches of the processor and are slower."""
FETCH_WAIT_MILLISECONDS = 5
"""Longest wait of a fetch. The embedded broker always waits this long, also if records arrive."""
POLL_MILLISECONDS = 2
"""Wait of a poll in the client, which sleeps as long again after an empty one: keep it short.

Nothing is fetched or polled while the process sleeps: see `FetchSleep`.
"""
SESSION_MILLISECONDS = 6_000
"""Time without a heartbeat after which the group assigns the partitions of a member again."""
COMMIT_SECONDS = 5.0
"""Limit for an offset commit: the client retries a partition that no longer exists for ever."""

log = get_logger("consumer")


class EventConsumer:
    """A consumer that owns the shards of its assigned partitions.

    Committed offsets are only a hint where to continue. Correctness depends on positions.
    """

    def __init__(
        self, bootstrap_servers: str, topic: str, engine: Engine, state: LogState,
        batch_events: int = BATCH_EVENTS, signal: EventSignal | None = None,
        traced: TracedEvents | None = None,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.sleep = FetchSleep(signal or EventSignal())
        self.assigned: frozenset[int] = frozenset()
        """The shards of the assigned partitions: this consumer is to own them."""
        self.joined = False
        """True after the first assignment of the group, also of no partition."""
        self.started = False
        """True after the end of `start`."""
        self.received_at: dict[int, float] = {}
        """Shard → loop time at which its last record arrived."""
        self.read_at = 0.0
        """Loop time at which the last batch arrived, also one of refused records."""
        self._topic = topic
        self._traced = traced
        self._verifying = VerifyingReader(engine.pool, topic, state.id)
        self._offsets: dict[TopicPartition, int] = {}
        self._broker = raw_broker(bootstrap_servers)
        self._subscriber = self._broker.subscriber(
            topic,
            batch=True,
            group_id=f"{topic}.{engine.group.name}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            max_records=batch_events,
            batch_timeout_ms=POLL_MILLISECONDS,
            fetch_max_wait_ms=FETCH_WAIT_MILLISECONDS,
            fetch_min_bytes=1,
            fetch_max_bytes=2 * 1024 * 1024,
            max_partition_fetch_bytes=1024 * 1024,
            session_timeout_ms=SESSION_MILLISECONDS,
            heartbeat_interval_ms=1_000,
            max_poll_interval_ms=600_000,
            isolation_level="read_uncommitted",
            listener=_AssignmentListener(self),
        )
        self._subscriber(self._on_batch)

    async def start(self) -> None:
        """Join the group. Raise `TimeoutError` if it never answers."""
        await join(self._broker)
        self.started = True

    async def stop(self) -> None:
        """Stop reading, finish the current write, and release all shards."""
        self.started = False
        await self._broker.stop()
        self.assigned = frozenset()
        await self.engine.release()

    @property
    def kafka(self) -> Any:
        """Return aiokafka's consumer; None while stopped."""
        return self._subscriber.consumer

    async def commit(self) -> None:
        """Commit the offsets of the applied records, after they are durable."""
        offsets = dict(self._offsets)
        await self.engine.flush()
        kafka = self.kafka
        assigned = kafka.assignment() if kafka is not None else set()
        current = {key: offset for key, offset in offsets.items() if key in assigned}
        if current:
            try:
                async with asyncio.timeout(COMMIT_SECONDS):
                    await kafka.commit(current)
            except (KafkaError, TimeoutError) as error:
                log.info("consumer.commit_postponed", error=error)
        for partition, offset in offsets.items():
            if self._offsets.get(partition) == offset:
                del self._offsets[partition]

    async def is_lagging(self) -> bool:
        """Return whether the broker has records that this consumer has not read."""
        kafka = self.kafka
        return kafka is not None and await is_lagging(kafka)

    async def own_partitions(self, partitions: Sequence[TopicPartition]) -> None:
        """Own the shards of these partitions, before any of their records is applied."""
        self.joined = True
        count = len(self.kafka.partitions_for_topic(self._topic) or ())
        self._offsets.clear()
        shards = {shard for p in partitions for shard in shards_in(p.partition, count)}
        self.assigned = frozenset(shards)
        await self.engine.release(self.engine.owned_shards - shards)
        if shards:
            await self.engine.own(sorted(shards))
        log.info("consumer.assigned", partitions=sorted(p.partition for p in partitions))

    async def release(self) -> None:
        """Release all shards, after writing what is folded."""
        self.assigned = frozenset()
        await self.engine.release()

    async def _on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        self.read_at = now = asyncio.get_running_loop().time()
        try:
            if self._traced is not None:
                self._traced.add(records)
            verified, refused = await self._verifying.read(records)
            self.engine.counts.refused += refused
            self.received_at |= dict.fromkeys({record.shard for record in verified}, now)
            await self.engine.apply(verified)
            LAST_FAILURE.clear()
        except Exception as error:  # noqa: BLE001 — the watchdog owns the shards again and fills the gap
            log.warning("consumer.let_go", error=LAST_FAILURE.record(error), is_retry=True)
        # The offsets of failed records are committed too: the watchdog reads those from the log.
        for last in {record.partition: record for record in records}.values():
            self._offsets[TopicPartition(last.topic, last.partition)] = last.offset + 1


class _AssignmentListener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: EventConsumer) -> None:
        self.consumer = consumer

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        # The client delivers records while this runs, unless the partitions are paused first.
        # No record may be applied before its shard is owned and its checkpoint is loaded.
        kafka = self.consumer.kafka
        self.consumer.sleep.control(kafka)
        with self.consumer.sleep.paused(kafka, assigned):
            try:
                await self.consumer.own_partitions(sorted(assigned))
            except Exception as error:  # noqa: BLE001 — the watchdog tries again or ends the process
                log.warning("consumer.claim_failed", error=error, is_retry=True)

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        try:
            await self.consumer.release()
        except Exception as error:  # noqa: BLE001 — the shards are not owned any more in any case
            log.warning("consumer.release_failed", error=error, is_retry=True)
