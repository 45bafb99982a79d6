"""Reads of the log: streams for deciders, and positions in order for projectors."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import asyncpg

from events.codec import read_event
from events.log.connection import Connection
from events.record import RecordedEvent, Stream, make_recorded_event

COLUMNS = (
    "id, event_type, schema_version, payload::text AS payload, entity_type, entity_id, version, "
    "shard, position, previous, org_id, property_id, lead_id, occurred_at, recorded_at, actor, "
    "origin, correlation_id, causation_id"
)


def decode(row: asyncpg.Record) -> RecordedEvent:
    """Return the recorded event of a row selected with `COLUMNS`.

    Its event is an `UnreadableEvent` where this build cannot read it.
    """
    (id_, name, schema_version, payload, entity_type, entity_id, version, shard, position,
     previous, *rest) = row.values()  # fmt: skip
    event = read_event(name, schema_version, payload)
    return make_recorded_event(
        (id_, event, entity_type, entity_id, version, shard, position or 0, previous or 0, *rest)
    )


async def streams(conn: Connection, streams_to_read: Sequence[Stream]) -> list[RecordedEvent]:
    """Return the events of these streams, merged in the order in which they were written."""
    rows = await conn.fetch(
        f"""
        SELECT {COLUMNS} FROM public.crm_events
        JOIN unnest($1::text[], $2::uuid[]) AS requested (requested_type, requested_id)
          ON entity_type = requested_type AND entity_id = requested_id
        ORDER BY seq
        """,
        [stream.entity_type for stream in streams_to_read],
        [stream.entity_id for stream in streams_to_read],
    )
    return [decode(row) for row in rows]


async def shard_rows(
    conn: Connection, shard: int, *, after: int, upto: int, limit: int
) -> list[asyncpg.Record]:
    """Return the rows of a shard with after < position ≤ upto, in order, at most `limit`."""
    return await conn.fetch(
        f"SELECT {COLUMNS} FROM public.crm_events "
        "WHERE shard = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4",
        shard,
        after,
        upto,
        limit,
    )


async def shards_rows(
    conn: Connection, shards: Sequence[int], *, after: int, upto: int, limit: int
) -> list[asyncpg.Record]:
    """Return the rows of several shards with after < position ≤ upto, ordered by position."""
    return await conn.fetch(
        f"SELECT {COLUMNS} FROM public.crm_events WHERE shard = ANY($1::smallint[]) "
        "AND position > $2 AND position <= $3 ORDER BY position LIMIT $4",
        list(shards),
        after,
        upto,
        limit,
    )


async def shard_pages(
    conn: Connection, shard: int, *, after: int, upto: int, limit: int
) -> AsyncIterator[list[asyncpg.Record]]:
    """Yield the rows of `shard_rows` page by page."""
    while rows := await shard_rows(conn, shard, after=after, upto=upto, limit=limit):
        yield rows
        if len(rows) < limit:
            return
        after = rows[-1]["position"]


async def position_rows(conn: Connection, *, after: int, upto: int) -> list[asyncpg.Record]:
    """Return the rows of the whole log with after < position ≤ upto: there are no gaps."""
    return await conn.fetch(
        f"SELECT {COLUMNS} FROM public.crm_events "
        "WHERE position > $1 AND position <= $2 ORDER BY position",
        after,
        upto,
    )


async def position_of(conn: Connection, event_id: UUID) -> int | None:
    """Return an event's position: 0 before it is numbered, None if there is no such event."""
    row = await conn.fetchrow("SELECT position FROM public.crm_events WHERE id = $1", event_id)
    return None if row is None else row["position"] or 0
