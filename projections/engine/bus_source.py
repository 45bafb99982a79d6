"""History for a rebuild from the bus: partition by partition, holes filled from the log."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import asyncpg

from events.bus import wire
from events.bus.read import Reader
from events.bus.wire import Arrival
from events.log import read
from events.log.shard import shards_in
from events.record import RecordedEvent
from projections.engine.refold import PAGE_EVENTS, Pages


@dataclass(slots=True)
class BusSource:
    """A source for `Rebuild`; `missing` counts what the bus lacked and the log gave."""

    pool: asyncpg.Pool
    reader: Reader
    generation: int
    missing: int = 0

    async def histories(self, bounds: Mapping[int, int]) -> AsyncIterator[Pages]:
        """One history a partition: all shards that lie in it."""
        for number in range(self.reader.partitions):
            shards = shards_in(number, self.reader.partitions)
            yield self._partition(number, {shard: bounds.get(shard, 0) for shard in shards})

    async def _partition(self, number: int, bounds: Mapping[int, int]) -> Pages:
        reached = dict.fromkeys(bounds, 0)
        async for arrivals in self.reader.partition(number):
            yield await self._joined(arrivals, reached, bounds)
        for shard, upto in bounds.items():
            while reached[shard] < upto:
                yield await self._from_log(shard, reached, upto)

    async def _joined(
        self, arrivals: list[Arrival], reached: dict[int, int], bounds: Mapping[int, int]
    ) -> list[RecordedEvent]:
        """What is new of these records, with every hole before one filled."""
        recorded_events: list[RecordedEvent] = []
        for came in arrivals:
            shard = came.shard
            if came.generation != self.generation or shard not in reached:
                continue
            if not reached[shard] < came.position <= bounds[shard]:
                continue
            while reached[shard] < came.previous:
                recorded_events += await self._from_log(shard, reached, came.previous)
            recorded_events.append(wire.decode(came))
            reached[shard] = came.position
        return recorded_events

    async def _from_log(
        self, shard: int, reached: dict[int, int], upto: int
    ) -> list[RecordedEvent]:
        async with self.pool.acquire() as conn:
            rows = await read.shard_rows(
                conn, shard, after=reached[shard], upto=upto, limit=PAGE_EVENTS
            )
        self.missing += len(rows)
        reached[shard] = rows[-1]["position"] if rows else upto
        return [read.decode(row) for row in rows]
