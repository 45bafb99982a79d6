"""Retry of parked events after a fix, in their order."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import asyncpg

from events.log import read
from events.log.connection import Connection
from events.log.error_text import describe_error
from events.record import RecordedEvent
from projections.engine import apply, checkpoints, parked, store
from projections.engine.batch import WriterIdentity
from projections.engine.derived_table import DerivedTable
from projections.engine.host_triggers import ENGINE_SEARCH_PATH
from projections.engine.parked import ParkedEvent
from projections.engine.table_rows import RowChanges
from projections.engine.working_set import PoisonEvent, WorkingSet


@dataclass(slots=True)
class RetryResult:
    """Numbers of a shard's parked events by result."""

    applied: int = 0
    dropped: int = 0
    still_parked: int = 0

    def count(self, retried: "RetriedEvent") -> None:
        """Add one event."""
        if retried.is_dropped:
            self.dropped += 1
        elif retried.parked_event is None:
            self.applied += 1
        else:
            self.still_parked += 1


@dataclass(frozen=True, slots=True)
class RetriedEvent:
    """An event that was tried again: it is applied, unless it was dropped or stays parked."""

    recorded: RecordedEvent
    parked_event: ParkedEvent | None = None
    is_dropped: bool = False


class Write(Protocol):
    """A function that writes row changes, as `store.write` does."""

    async def __call__(
        self,
        conn: Connection,
        changes: Mapping[DerivedTable, RowChanges],
        schema: str | None = None,
    ) -> None: ...


async def retry_parked(pool: asyncpg.Pool, identity: WriterIdentity, shard: int) -> RetryResult:
    """Apply a shard's parked events in order, in one transaction."""
    result = RetryResult()
    async with pool.acquire() as conn, conn.transaction():
        async for retried in apply_parked(conn, identity, shard):
            result.count(retried)
    return result


async def apply_parked(
    conn: Connection, identity: WriterIdentity, shard: int, write: Write = store.write
) -> AsyncGenerator[RetriedEvent]:
    """Apply a shard's parked events in order, in the caller's transaction; yield each result.

    The transaction owns the shard: this fences the live consumer, whose memory would otherwise
    differ from the tables. The consumer owns the shard again and reads the result.
    """
    group = identity.group
    await checkpoints.own(
        conn, group.name, group.version, identity.generation, [shard], "retry of parked events"
    )
    await conn.execute(f"SET LOCAL crm.engine = 'on'; SET LOCAL search_path = {ENGINE_SEARCH_PATH}")
    dropped = await parked.read_dropped_ids(conn, group.name)
    waiting: set[UUID] = set()
    work = group.working_set()
    for recorded in await _read_parked_events(conn, group.name, shard):
        if recorded.id in dropped:
            await parked.remove(conn, group.name, recorded)
            yield RetriedEvent(recorded, is_dropped=True)
            continue
        parked_event = await apply_one(conn, identity, work, recorded, waiting, write)
        if parked_event is None:
            await parked.remove(conn, group.name, recorded)
        else:
            waiting |= parked_event.touches
            await parked.park(conn, group.name, [parked_event])
        yield RetriedEvent(recorded, parked_event)


async def lock_if_parked(conn: Connection, group: str, event_id: UUID) -> bool:
    """Return whether an event is parked; its shard stays locked in the caller's transaction.

    The lock keeps a retry from applying the event meanwhile.
    """
    await conn.execute(
        "SELECT FROM crm.checkpoints WHERE projection_group = $1 AND shard = "
        "(SELECT shard FROM public.crm_events WHERE id = $2) FOR UPDATE",
        group,
        event_id,
    )
    is_parked: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM crm.parked WHERE projection_group = $1 AND event_id = $2)",
        group,
        event_id,
    )
    return is_parked


async def find_shards_with_parked(conn: Connection, group: str) -> list[int]:
    """Return the shards that have parked events."""
    rows = await conn.fetch(
        "SELECT DISTINCT shard FROM crm.parked WHERE projection_group = $1 ORDER BY shard", group
    )
    return [row["shard"] for row in rows]


async def _read_parked_events(conn: Connection, group: str, shard: int) -> list[RecordedEvent]:
    rows = await conn.fetch(
        f"SELECT {read.COLUMNS} FROM public.crm_events WHERE id IN "
        "(SELECT event_id FROM crm.parked "
        "WHERE projection_group = $1 AND shard = $2) ORDER BY position",
        group,
        shard,
    )
    return await read.decode_rows(conn, rows)


async def apply_one(
    conn: Connection,
    identity: WriterIdentity,
    work: WorkingSet,
    recorded: RecordedEvent,
    waiting: set[UUID],
    write: Write,
) -> ParkedEvent | None:
    """Apply one event in a savepoint. Return None if it is written, else why it stays parked."""
    if parked.is_blocked(recorded, waiting):
        touches = await apply.ids_to_park(conn, identity, work, recorded)
        return ParkedEvent(recorded, *parked.BLOCKED, touches)
    savepoint = conn.transaction()
    await savepoint.start()
    try:
        # The event is below the checkpoint, so no checkpoint moves: any value will do.
        owned = {recorded.shard: checkpoints.Checkpoint(0, 0)}
        batch = await apply.prepare(conn, identity, work, [recorded], owned, {})
        if batch.folded.parked_events:
            await savepoint.rollback()
            return batch.folded.parked_events[0]
        await write(conn, batch.changes, identity.schema)
        # Check the deferred foreign keys now: at the commit it would be too late to park this one.
        await conn.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    except PoisonEvent as error:
        reason = (error.projection, describe_error(error.error))
    except apply.BAD_ROW_ERRORS as error:
        reason = ("database", describe_error(error))
    else:
        await savepoint.commit()
        return None
    work.clear()
    await savepoint.rollback()
    touches = await apply.ids_to_park(conn, identity, work, recorded)
    return ParkedEvent(recorded, *reason, touches)
