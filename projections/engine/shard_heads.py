"""The shard heads as a consumer knows them: no record is applied that the log does not have."""

from collections.abc import Sequence

import asyncpg

from events.bus.wire import ReceivedRecord
from events.log import sequencer


class ShardHeads:
    """Shard → shard head, read from the log when a record is beyond what was read last.

    A position is committed before its record is published, so the log has every record that is not
    of a lost history.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._heads: dict[int, int] = {}

    async def load_for(self, records: Sequence[ReceivedRecord]) -> None:
        """Read the heads if one of these records is beyond them."""
        if not all(map(self.contain, records)):
            async with self._pool.acquire() as conn:
                self._heads = await sequencer.read_shard_heads(conn)

    def contain(self, record: ReceivedRecord) -> bool:
        """Return whether the log has the position of the record."""
        return record.position <= self._heads.get(record.shard, 0)
