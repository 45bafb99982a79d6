"""Reads of the log: streams for deciders, and positions in order for projectors."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from events.event import Event
from events.keys.store import Source
from events.log.connection import Connection
from events.log.payloads import LoadedPayloads, load_payloads, make_stored_payload
from events.record import RecordedEvent, Stream, UnreadableEvent, make_recorded_event
from events.trace_context import TraceContext

AnyRow: TypeAlias = asyncpg.Record | Mapping[str, Any]
"""A row as asyncpg or SQLAlchemy returns it."""
COLUMNS = (
    "id, event_type, schema_version, payload::text AS payload, entity_type, entity_id, version, "
    "shard, position, previous, org_id, property_id, lead_id, occurred_at, recorded_at, actor, "
    "origin, correlation_id, causation_id"
)
_READ_COLUMNS = 19
BUS_COLUMNS = f"{COLUMNS}, trace_context"
"""The columns of rows that are published; `load_rows` accepts them too."""


async def decode_rows(source: Source, rows: Sequence[asyncpg.Record]) -> list[RecordedEvent]:
    """Return the recorded events of rows selected with `COLUMNS`.

    The event of one is an `UnreadableEvent` where this build cannot read it. Data keys that the
    process has not loaded are read from `source` with one query. Raises `DataKeyMissing`.
    """
    return (await load_rows(source, rows)).decode(0, len(rows))


class LoadedRows(NamedTuple):
    """Rows selected with `COLUMNS`, with the keys that decode them."""

    rows: Sequence[tuple[Any, ...]]
    payloads: LoadedPayloads

    def decode(self, start: int, end: int) -> list[RecordedEvent]:
        """Return the recorded events of a slice."""
        events = self.payloads.decode(start, end)
        return [
            _recorded(event, row) for event, row in zip(events, self.rows[start:end], strict=True)
        ]


async def load_rows(source: Source, rows: Sequence[AnyRow]) -> LoadedRows:
    """Load the keys of rows, which can then be decoded without a query. Raises `DataKeyMissing`."""
    values = [tuple(row.values())[:_READ_COLUMNS] for row in rows]
    stored = [make_stored_payload(row[:4]) for row in values]
    return LoadedRows(values, await load_payloads(source, stored))


def _recorded(event: Event | UnreadableEvent, row: tuple[Any, ...]) -> RecordedEvent:
    (id_, _, _, _, entity_type, entity_id, version, shard, position, previous, *rest) = row
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
    return await decode_rows(conn, rows)


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
        f"SELECT {BUS_COLUMNS} FROM public.crm_events WHERE shard = ANY($1::smallint[]) "
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
        f"SELECT {BUS_COLUMNS} FROM public.crm_events "
        "WHERE position > $1 AND position <= $2 ORDER BY position",
        after,
        upto,
    )


async def read_trace(conn: Connection, event_id: UUID) -> TraceContext | None:
    """Return the trace of an event; None for one that SQL wrote."""
    stored = await conn.fetchval(
        "SELECT trace_context FROM public.crm_events WHERE id = $1", event_id
    )
    return None if stored is None else TraceContext.of_stored(stored)


async def organisations_of(conn: Connection, property_ids: Collection[str]) -> dict[str, str]:
    """Return property id → organisation id, in text form, for the properties in the log."""
    rows = await conn.fetch(
        "SELECT entity_id::text, org_id::text FROM public.crm_events "
        "WHERE entity_type = 'property' AND version = 1 AND entity_id = ANY($1::uuid[])",
        list(property_ids),
    )
    return {row["entity_id"]: row["org_id"] for row in rows}
