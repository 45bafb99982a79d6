"""A FastStream consumer of the events topic: whole batches of raw records for an engine."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy

from events.bus import wire
from events.bus.wire import Arrival
from events.log.sequencer import LogState
from events.log.shard import shards_in
from projections.engine.live import Engine
from services.runtime.kafka_batches import join, raw_broker
from services.runtime.logging import get_logger

BATCH_EVENTS = 2_500
"""More at a time no longer fit the processor's caches, and wait for one another."""
FETCH_WAIT_MILLISECONDS = 5
"""How long a broker may hold a fetch back: the embedded one holds it so long whatever comes."""
POLL_MILLISECONDS = 2
"""After an empty poll the client sleeps as long again, whatever comes: the broker waits instead."""
SESSION_MILLISECONDS = 6_000
"""A group deals the partitions of a member anew that has been silent for so long."""
COMMIT_SECONDS = 5.0
"""A client retries without end to commit to a partition that is there no more."""
log = get_logger("projector")


class Consumer:
    """Owns the shards of the partitions it is assigned, for as long as it is assigned them.

    Offsets are committed as a hint where to read on, nothing depends on them: positions do.
    """

    def __init__(self, bootstrap_servers: str, topic: str, group: str, engine: Engine,
                 state: LogState) -> None:  # fmt: skip
        self.engine = engine
        self.assigned: frozenset[int] = frozenset()
        """The shards that are this consumer's to own."""
        self.joined = False
        """Whether the group has ever answered: with partitions, or with none to stand by."""
        self.started = False
        """Whether joining is over."""
        self.heard: dict[int, float] = {}
        """Shard → when a record of it last came (loop time)."""
        self._topic, self._log_id = topic, state.id
        self._offsets: dict[TopicPartition, int] = {}
        self._broker = raw_broker(bootstrap_servers)
        self._subscriber = self._broker.subscriber(
            topic,
            batch=True,
            group_id=group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            max_records=BATCH_EVENTS,
            batch_timeout_ms=POLL_MILLISECONDS,
            fetch_max_wait_ms=FETCH_WAIT_MILLISECONDS,
            fetch_min_bytes=1,
            fetch_max_bytes=2 * 1024 * 1024,
            max_partition_fetch_bytes=1024 * 1024,
            session_timeout_ms=SESSION_MILLISECONDS,
            heartbeat_interval_ms=1_000,
            max_poll_interval_ms=600_000,
            isolation_level="read_uncommitted",
            listener=_Listener(self),
        )
        self._subscriber(self._on_batch)

    async def start(self) -> None:
        """Join the group. Raises `TimeoutError` where it never answers."""
        await join(self._broker)
        self.started = True

    async def stop(self) -> None:
        """Stop reading, finish what is being written, let go of everything."""
        self.started = False
        await self._broker.stop()
        self.assigned = frozenset()
        await self.engine.release()

    @property
    def kafka(self) -> Any:
        """aiokafka's consumer; None while stopped."""
        return self._subscriber.consumer

    async def commit(self) -> None:
        """Tell the broker how far this consumer has come, once that is durable."""
        offsets = dict(self._offsets)
        await self.engine.settle()
        kafka = self.kafka
        held = kafka.assignment() if kafka is not None else set()
        known = {place: offset for place, offset in offsets.items() if place in held}
        if known:
            try:
                await asyncio.wait_for(kafka.commit(known), COMMIT_SECONDS)
            except (KafkaError, TimeoutError) as error:
                log.info("projector.commit_postponed", error=repr(error))
        for place, offset in offsets.items():
            if self._offsets.get(place) == offset:
                del self._offsets[place]

    async def lagging(self) -> bool:
        """Whether the broker holds records that this consumer has not read."""
        kafka = self.kafka
        places = kafka.assignment() if kafka is not None else set()
        if not places:
            return False
        ends = await kafka.end_offsets(places)
        return any([await kafka.position(place) < ends[place] for place in places])

    async def take(self, partitions: Sequence[TopicPartition]) -> None:
        """These partitions are ours: own their shards before any record of them is applied."""
        self.joined = True
        count = len(self.kafka.partitions_for_topic(self._topic) or ())
        self._offsets.clear()
        shards = {shard for p in partitions for shard in shards_in(p.partition, count)}
        self.assigned = frozenset(shards)
        await self.engine.release(self.engine.owned - shards)
        if shards:
            await self.engine.claim(sorted(shards))
        log.info("projector.assigned", partitions=sorted(p.partition for p in partitions))

    async def let_go(self) -> None:
        self.assigned = frozenset()
        await self.engine.release()

    async def _on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        now = asyncio.get_running_loop().time()
        arrivals: list[Arrival] = []
        for record in records:
            try:
                came = wire.arrival(record.value, self._log_id)
            except wire.NotOurs as error:
                self.engine.counts.refused += 1
                log.warning("projector.refused", error=str(error), offset=record.offset)
                continue
            self.heard[came.shard] = now
            arrivals.append(came)
        try:
            await self.engine.apply(arrivals)
        except Exception as error:  # noqa: BLE001 — the edge: the watch claims again, and heals from the log
            log.warning("projector.let_go", error=repr(error))
        for last in {record.partition: record for record in records}.values():
            self._offsets[TopicPartition(last.topic, last.partition)] = last.offset + 1


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        # Records are handed out while this runs, unless the partitions are paused first.
        kafka = self.consumer.kafka
        kafka.pause(*assigned)
        try:
            await self.consumer.take(sorted(assigned))
        except Exception as error:  # noqa: BLE001 — the edge: the watch claims again or ends the process
            log.warning("projector.claim_failed", error=repr(error))
        finally:
            kafka.resume(*assigned)

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        try:
            await self.consumer.let_go()
        except Exception as error:  # noqa: BLE001 — the edge: nothing is owned any more, whatever went wrong
            log.warning("projector.release_failed", error=repr(error))
