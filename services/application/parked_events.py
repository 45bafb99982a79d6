"""Parked events for operators: list them, try them again, or drop one with a reason."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from events.log import sequencer
from events.log.append import append
from events.log.connection import Connection
from events.operations import ParkedDropped
from events.record import Cause, NewEvent, Origin
from projections.catalog import LIVE
from projections.engine import retry, retry_preview
from projections.engine.batch import WriterIdentity
from projections.engine.retry import RetryResult
from projections.engine.retry_preview import RetryPreview

_EVENTS = """
SELECT p.*, e.event_type, e.lead_id, e.org_id, e.property_id, e.payload, e.occurred_at,
  (SELECT count(*) FROM crm.parked b
   WHERE b.projection_group = p.projection_group AND b.shard = p.shard AND b.behind
     AND b.touches && p.touches) AS waiting
FROM crm.parked p JOIN public.crm_events e ON e.id = p.event_id WHERE p.projection_group = $1
"""


class NotParked(Exception):
    """The event is not parked any more: a retry has applied it, or it was dropped."""


async def list_parked(
    conn: Connection, *, behind: bool, limit: int, reason: str | None = None, after: int = 0
) -> list[asyncpg.Record]:
    """Return the oldest parked events after a position.

    `behind`: also those that only wait behind another one.
    """
    return await conn.fetch(
        f"{_EVENTS} AND ($2 OR NOT p.behind) AND ($3::text IS NULL OR p.reason = $3) "
        "AND p.position > $4 ORDER BY p.position LIMIT $5",
        LIVE.name,
        behind,
        reason,
        after,
        limit,
    )


async def count_parked(conn: Connection, *, behind: bool) -> int:
    """Return the number of parked events."""
    number: int = await conn.fetchval(
        "SELECT count(*) FROM crm.parked WHERE projection_group = $1 AND ($2 OR NOT behind)",
        LIVE.name,
        behind,
    )
    return number


async def find_parked(conn: Connection, event_id: UUID) -> asyncpg.Record | None:
    """Return one parked event; None if it is not parked."""
    return await conn.fetchrow(f"{_EVENTS} AND p.event_id = $2", LIVE.name, event_id)


async def retry_all(pool: asyncpg.Pool) -> RetryResult:
    """Apply all parked events again, in order, one shard after the other."""
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        shards = await retry.find_shards_with_parked(conn, LIVE.name)
    identity, total = WriterIdentity(LIVE, state.generation), RetryResult()
    for shard in shards:
        result = await retry.retry_parked(pool, identity, shard)
        total.applied += result.applied
        total.dropped += result.dropped
        total.still_parked += result.still_parked
    return total


async def preview_retry(pool: asyncpg.Pool, event_id: UUID | None = None) -> RetryPreview:
    """Return what a retry would change, of all parked events or those of one event's shard.

    Nothing is written. The preview is partial if it would take long.
    """
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        shards = await retry.find_shards_with_parked(conn, LIVE.name)
        if event_id is not None:
            row = await find_parked(conn, event_id)
            shards = [] if row is None else [row["shard"]]
    identity, preview = WriterIdentity(LIVE, state.generation), RetryPreview()
    for shard in shards:
        if preview.events >= retry_preview.MAX_EVENTS:
            preview.is_partial = True
            break
        await retry_preview.preview_shard(pool, identity, shard, preview)
    return preview


async def drop_parked(
    conn: Connection, row: asyncpg.Record, reason: str, actor: str, dropped_by: UUID | None = None
) -> UUID:
    """Append `parked.dropped` in the caller's transaction and return the id of that event.

    A rebuild skips a dropped event: if a retry had applied it, live and rebuilt rows would differ.
    So raise `NotParked` if it is not parked any more. A retry then removes it, and applies those
    that wait behind it.
    """
    dropped = ParkedDropped(
        property_id=row["property_id"] or row["org_id"],
        dropped_event_id=row["event_id"],
        dropped_position=row["position"],
        unit=LIVE.name,
        reason=reason,
        dropped_by=dropped_by,
    )
    new = NewEvent(
        id=uuid4(),
        event=dropped,
        org_id=row["org_id"],
        property_id=row["property_id"],
        occurred_at=datetime.now(UTC),
        cause=Cause(actor=actor, origin=Origin.CORRECTION),
    )
    if not await retry.lock_if_parked(conn, LIVE.name, row["event_id"]):
        raise NotParked
    await append(conn, [new], expected={})
    return new.id
