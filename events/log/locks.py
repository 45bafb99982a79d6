"""Locks of streams and properties: they make concurrent appends to a stream wait for each other."""

from collections.abc import Mapping, Sequence

from events.log.connection import Connection
from events.record import NewEvent, Stream

MAX_STREAM_LOCKS = 200
"""An append of more streams locks its whole property: PostgreSQL's lock table is small."""


async def lock_for_append(
    conn: Connection, events: Sequence[NewEvent], guards: Mapping[Stream, int]
) -> None:
    """Lock the written streams exclusively and the guards in shared mode, until the commit.

    Every append also takes the lock of its property in shared mode. A large append takes that lock
    exclusively, which excludes every other append to the property, and needs no stream locks.
    """
    properties = sorted({event.ordering_key for event in events})
    written = {event.stream for event in events}
    is_large = len(written) > MAX_STREAM_LOCKS
    shared = {("order", key): not is_large for key in properties}
    if not is_large:
        shared |= {stream: True for stream in guards if stream not in written}
        shared |= dict.fromkeys(written, False)
    # All appends take their locks in one order, so that they cannot deadlock: properties first,
    # then streams, each by key. Streams with the same key (a hash) need one lock only, in shared
    # mode if all of them are guards.
    await conn.execute(
        """
        SELECT CASE WHEN shared THEN pg_advisory_xact_lock_shared(key)
                    ELSE pg_advisory_xact_lock(key) END
        FROM (SELECT crm.lock_of(kind, id) AS key, bool_and(shared) AS shared,
                     min(CASE WHEN kind = 'order' THEN 0 ELSE 1 END) AS level
              FROM unnest($1::text[], $2::uuid[], $3::bool[]) AS requested (kind, id, shared)
              GROUP BY 1 ORDER BY level, key) AS in_order
        """,
        [kind for kind, _ in shared],
        [key for _, key in shared],
        list(shared.values()),
    )


async def lock_streams(conn: Connection, streams: Sequence[Stream]) -> None:
    """Lock streams with high contention before they are read, so that commands wait in a queue.

    With retries alone, some of many concurrent bookings would run out of attempts.
    """
    await conn.execute(
        """
        SELECT pg_advisory_xact_lock(key)
        FROM (SELECT DISTINCT crm.lock_of(kind, id) AS key
              FROM unnest($1::text[], $2::uuid[]) AS requested (kind, id) ORDER BY 1) AS in_order
        """,
        [stream.entity_type for stream in streams],
        [stream.entity_id for stream in streams],
    )
