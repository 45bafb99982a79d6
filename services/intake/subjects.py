"""The property of each subject, read from the log."""

from collections.abc import Iterable
from uuid import UUID

from events.log.connection import Connection
from events.record import Stream


async def load_stream_properties(
    conn: Connection, streams: Iterable[Stream]
) -> dict[Stream, UUID | None]:
    """Return stream → its property, for each of `streams` that has begun."""
    keys = list(set(streams))
    if not keys:
        return {}
    rows = await conn.fetch(
        """
        SELECT e.entity_type, e.entity_id, e.property_id
        FROM unnest($1::text[], $2::uuid[]) AS subject (kind, id)
        JOIN public.crm_events e
          ON e.entity_type = subject.kind AND e.entity_id = subject.id AND e.version = 1
        """,
        [stream.entity_type for stream in keys],
        [stream.entity_id for stream in keys],
    )
    return {Stream(row["entity_type"], row["entity_id"]): row["property_id"] for row in rows}
