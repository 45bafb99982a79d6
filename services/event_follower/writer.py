"""The writer of a follower: it writes events as lines, and then moves their checkpoints."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import asyncpg
import orjson

from events.bus.wire import ReceivedRecord
from events.keys.errors import DataKeyMissing
from events.log.sequencer import LogState
from events.log.shard import SHARDS
from projections.engine import checkpoints
from projections.engine.checkpoints import Checkpoint
from services.application.clear_events import ClearEvent, account_reads, open_records, open_rows
from services.event_follower.subscription import Subscription

WriteLines: TypeAlias = Callable[[bytes], None]
Place: TypeAlias = tuple[int, int]
"""The shard and the position of an event."""


class EventWriter:
    """The owner of a subscription's checkpoints. An event is written before its checkpoint moves.

    So after a crash some events are written again, and none is left out.
    """

    def __init__(
        self, pool: asyncpg.Pool, subscription: Subscription, state: LogState, write: WriteLines
    ) -> None:
        self._pool, self._subscription, self._state, self._write = pool, subscription, state, write
        self._owned: dict[int, Checkpoint] = {}

    @property
    def positions(self) -> dict[int, int]:
        """Return shard → position of its last event that was written or left out."""
        return {shard: checkpoint.position for shard, checkpoint in self._owned.items()}

    async def own(self, owner: str) -> None:
        """Become the owner of the checkpoints, which exist; fence the former owner."""
        async with self._pool.acquire() as conn, conn.transaction():
            self._owned = await checkpoints.own(
                conn, self._subscription.group, self._subscription.version,
                self._state.generation, range(SHARDS), owner,
            )  # fmt: skip

    async def write_records(self, records: Sequence[ReceivedRecord]) -> None:
        """Write those of these verified records that belong to the subscription.

        Raise `DataKeyMissing` when the events before the first one without its key are written.
        """
        selected = [
            record for record in records
            if self._subscription.contains(record.org_id, record.property_id, record.type)
        ]  # fmt: skip
        events, missing = await open_records(self._pool, selected)
        await self._write_events(
            [(record.shard, record.position) for record in records],
            [(record.shard, record.position) for record in selected], events, missing,
        )  # fmt: skip

    async def write_rows(self, rows: Sequence[asyncpg.Record]) -> None:
        """Do the same as `write_records` with rows of the log."""
        selected = [
            row for row in rows
            if self._subscription.contains(row["org_id"], row["property_id"], row["event_type"])
        ]  # fmt: skip
        events, missing = await open_rows(self._pool, selected)
        await self._write_events(
            [(row["shard"], row["position"]) for row in rows],
            [(row["shard"], row["position"]) for row in selected], events, missing,
        )  # fmt: skip

    async def _write_events(
        self,
        places: Sequence[Place],
        selected: Sequence[Place],
        events: Sequence[ClearEvent],
        missing: DataKeyMissing | None,
    ) -> None:
        """Write the events, then move the checkpoints over all places.

        With `missing`, only over those before the first selected one that is not in `events`.
        """
        if missing is not None:
            places = places[: places.index(selected[len(events)])]
        if events:
            async with self._pool.acquire() as conn:
                org_id, reader = self._subscription.org_id, self._subscription.reader
                await account_reads(conn, org_id, reader, events)
            self._write(b"".join(_line(event, self._state) for event in events))
        await self._move(dict(places))
        if missing is not None:
            raise missing

    async def _move(self, positions: Mapping[int, int]) -> None:
        """Move the checkpoints: shard → position. Raise `FencingError`."""
        moves = {shard: (self._owned[shard], position) for shard, position in positions.items()}
        if not moves:
            return
        async with self._pool.acquire() as conn, conn.transaction():
            await checkpoints.advance(
                conn, self._subscription.group, self._subscription.version,
                self._state.generation, moves,
            )  # fmt: skip
        for shard, (checkpoint, position) in moves.items():
            self._owned[shard] = Checkpoint(position, checkpoint.epoch)


def _line(event: ClearEvent, state: LogState) -> bytes:
    """Return an event as one line of JSON."""
    options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(event.document(state), default=str, option=options)
