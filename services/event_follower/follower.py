"""The follower: reads the topic of events, and the log where the broker lost something.

It believes only records that the relay signed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from events.bus.verify import VerifyingReader
from events.bus.wire import ReceivedRecord
from events.log import read, sequencer
from events.log.sequencer import LogState
from projections.engine.shard_heads import ShardHeads
from services.event_follower.subscription import GenerationEnded
from services.event_follower.writer import EventWriter

BATCH_EVENTS = 500
"""Events that are written together: as many are written again after a crash, at most."""
POLL_MILLISECONDS = 200
LOOK_SECONDS = 0.5
QUIET_SECONDS = 2.0
"""Time after which a shard that is behind the log, and gets no record, is read from the log."""
COMMIT_SECONDS = 5.0


class Follower:
    """A reader of all partitions that gives each event to the writer once and in order."""

    def __init__(
        self, pool: asyncpg.Pool, writer: EventWriter, topic: str, state: LogState
    ) -> None:
        self.refused = 0
        """Number of records that were not believed."""
        self._pool, self._writer, self._generation = pool, writer, state.generation
        self._reader, self._heads = VerifyingReader(pool, topic, state.id), ShardHeads(pool)
        self._behind_since: dict[int, tuple[int, float]] = {}

    async def run(self, consumer: AIOKafkaConsumer, stop: asyncio.Event, *, once: bool) -> None:
        """Write events until stopped; with `once`, up to the present end of the log.

        Raise `GenerationEnded`, `DataKeyMissing` before an event that cannot be read, and
        `FencingError` when another follower has taken over.
        """
        targets, looked_at = await self._look(), self._now()
        offsets: dict[TopicPartition, int] = {}
        while not (stop.is_set() or (once and self._has_reached(targets))):
            fetched = await consumer.getmany(timeout_ms=POLL_MILLISECONDS, max_records=BATCH_EVENTS)
            if records := [record for page in fetched.values() for record in page]:
                await self._apply(records)
                offsets |= {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
            if self._now() - looked_at >= LOOK_SECONDS:
                await self._fill_quiet_shards(await self._look())
                await _commit_hint(consumer, offsets)
                offsets.clear()
                looked_at = self._now()

    async def _look(self) -> dict[int, int]:
        """Return the shard heads. Raise `GenerationEnded`."""
        async with self._pool.acquire() as conn:
            state = await sequencer.read_log_state(conn)
            heads = await sequencer.read_shard_heads(conn)
        if state.generation != self._generation:
            raise GenerationEnded(self._generation, state.generation)
        return heads

    async def _apply(self, records: Sequence[ConsumerRecord]) -> None:
        """Write the events of records that follow the checkpoints, and fill gaps before them."""
        verified = await self._reader.read(records)
        self.refused += verified.refused.total()
        await self._heads.load_for(verified.records)
        accepted: list[ReceivedRecord] = []
        reached = self._writer.positions
        for record in verified.records:
            shard = record.shard
            if record.generation != self._generation or not self._heads.contain(record):
                self.refused += 1
            elif record.position > reached[shard] == record.previous:
                accepted.append(record)
                reached[shard] = record.position
            elif record.position > reached[shard]:
                await self._writer.write_records(accepted)
                accepted = []
                await self._fill(shard, record.position)
                reached[shard] = self._writer.positions[shard]
        await self._writer.write_records(accepted)

    async def _fill_quiet_shards(self, heads: Mapping[int, int]) -> None:
        """Read shards from the log that are behind it and made no progress for some time."""
        now, before = self._now(), self._behind_since
        self._behind_since = {}
        for shard, position in self._writer.positions.items():
            if position < heads[shard]:
                stood, since = before.get(shard, (position, now))
                self._behind_since[shard] = (position, since if stood == position else now)
        for shard, (_, since) in self._behind_since.items():
            if now - since >= QUIET_SECONDS:
                await self._fill(shard, heads[shard])

    async def _fill(self, shard: int, upto: int) -> None:
        """Write the events of a shard from the log, from its checkpoint up to a position."""
        while (after := self._writer.positions[shard]) < upto:
            async with self._pool.acquire() as conn:
                rows = await read.shard_rows(
                    conn, shard, after=after, upto=upto, limit=BATCH_EVENTS
                )
            if not rows:
                return
            await self._writer.write_rows(rows)

    def _has_reached(self, targets: Mapping[int, int]) -> bool:
        positions = self._writer.positions
        return all(positions[shard] >= target for shard, target in targets.items())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _commit_hint(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
    """Commit offsets, which are only a hint where to read on after a restart."""
    if offsets:
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(COMMIT_SECONDS):
                await consumer.commit(offsets)
