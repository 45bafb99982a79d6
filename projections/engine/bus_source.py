"""The bus as a source of history for a rebuild: missing records are read from the log."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import asyncpg

from events.bus import wire
from events.bus.read import Reader
from events.bus.wire import ReceivedRecord
from events.log import read
from events.log.shard import shards_in
from events.record import RecordedEvent
from projections.engine.shard_history import PAGE_EVENTS, EventPages


@dataclass(slots=True)
class BusSource:
    """A history source that reads partition by partition.

    `missing` counts the events that the bus lacked and the log had.
    """

    pool: asyncpg.Pool
    reader: Reader
    generation: int
    missing: int = 0

    async def histories(self, bounds: Mapping[int, int]) -> AsyncIterator[EventPages]:
        """Yield one history for each partition: all shards that it contains."""
        for number in range(self.reader.partitions):
            shards = shards_in(number, self.reader.partitions)
            yield self._read_partition(number, {shard: bounds.get(shard, 0) for shard in shards})

    async def _read_partition(self, number: int, bounds: Mapping[int, int]) -> EventPages:
        reached = dict.fromkeys(bounds, 0)
        async for records in self.reader.partition(number):
            yield await self._decode(records, reached, bounds)
        for shard, upto in bounds.items():
            while reached[shard] < upto:
                yield await self._read_log(shard, reached, upto)

    async def _decode(
        self, records: list[ReceivedRecord], reached: dict[int, int], bounds: Mapping[int, int]
    ) -> list[RecordedEvent]:
        """Return the new events of these records, with every gap before them filled."""
        recorded_events: list[RecordedEvent] = []
        accepted: list[ReceivedRecord] = []
        for record in records:
            shard = record.shard
            if record.generation != self.generation or shard not in reached:
                continue
            if not reached[shard] < record.position <= bounds[shard]:
                continue
            while reached[shard] < record.previous:
                recorded_events += await wire.decode_records(self.pool, accepted)
                accepted = []
                recorded_events += await self._read_log(shard, reached, record.previous)
            accepted.append(record)
            reached[shard] = record.position
        return recorded_events + await wire.decode_records(self.pool, accepted)

    async def _read_log(
        self, shard: int, reached: dict[int, int], upto: int
    ) -> list[RecordedEvent]:
        """Return a page of missing events, and move `reached` to its end."""
        async with self.pool.acquire() as conn:
            rows = await read.shard_rows(
                conn, shard, after=reached[shard], upto=upto, limit=PAGE_EVENTS
            )
        self.missing += len(rows)
        reached[shard] = rows[-1]["position"] if rows else upto
        return await read.decode_rows(self.pool, rows)
