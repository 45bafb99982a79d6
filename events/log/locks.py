"""Locks of streams and properties: they make concurrent appends to a stream wait for each other.

They are locks of rows in `crm.lock_rows`, which no role of API callers may take:
`docs/decisions/0019-streams-are-locked-by-rows.md`.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events.log.connection import Connection
from events.record import NewEvent, Stream

ORDER = "order"
"""The kind of the lock of a property."""
MAX_STREAM_LOCKS = 200
"""An append of more streams locks its whole property, which is faster than to lock each stream."""


async def lock_for_append(
    conn: Connection,
    events: Sequence[NewEvent],
    guards: Mapping[Stream, int],
    *,
    after_staged: bool,
) -> bool:
    """Lock the written streams exclusively and the guards in shared mode, until the commit.

    Lock nothing and return False if `after_staged` and changes of the host to these properties
    wait to be appended first.

    Every append also takes the lock of its property in shared mode. A large append takes that lock
    exclusively, which excludes every other append to the property, and needs no stream locks.
    """
    properties, locks = lock_arguments(events, guards)
    is_locked: bool = await conn.fetchval(
        "SELECT crm.lock_for_append($1::text[], $2::uuid[], $3::bool[], $4::uuid[])",
        *locks,
        properties if after_staged else [],
    )
    return is_locked


def lock_arguments(
    events: Sequence[NewEvent], guards: Mapping[Stream, int]
) -> tuple[list[UUID], tuple[list[str], list[UUID], list[bool]]]:
    """Return the properties of an append, and the locks it needs: kinds, ids, shared or not."""
    properties = sorted({event.ordering_key for event in events})
    written = {event.stream for event in events}
    is_large = len(written) > MAX_STREAM_LOCKS
    shared: dict[tuple[str, UUID], bool] = {(ORDER, key): not is_large for key in properties}
    if not is_large:
        shared |= {stream: True for stream in guards if stream not in written}
        shared |= dict.fromkeys(written, False)
    return properties, _arguments(shared)


async def lock_streams(conn: Connection, streams: Sequence[Stream]) -> None:
    """Lock streams with high contention before they are read, so that commands wait in a queue.

    With retries alone, some of many concurrent bookings would run out of attempts.
    """
    await _lock(conn, {(stream.entity_type, stream.entity_id): False for stream in streams})


async def lock_order(conn: Connection, properties: Sequence[UUID]) -> None:
    """Lock the order of all events of these properties: no other append to them goes on."""
    await _lock(conn, {(ORDER, key): False for key in properties})


async def lock_name(conn: Connection, name: str) -> None:
    """Lock a name until the end of the transaction."""
    await conn.execute("SELECT crm.lock_name($1)", name)


async def try_lock_name(conn: Connection, name: str) -> bool:
    """Lock the name of a task until the end of the transaction; False if another session has it."""
    is_locked: bool = await conn.fetchval("SELECT crm.try_lock_name($1)", name)
    return is_locked


async def _lock(conn: Connection, shared: Mapping[tuple[str, UUID], bool]) -> None:
    """Lock (kind, id) in shared mode or alone. The database takes the locks in one order."""
    await conn.execute(
        "SELECT crm.lock_streams($1::text[], $2::uuid[], $3::bool[])", *_arguments(shared)
    )


def _arguments(
    shared: Mapping[tuple[str, UUID], bool],
) -> tuple[list[str], list[UUID], list[bool]]:
    return [kind for kind, _ in shared], [key for _, key in shared], list(shared.values())
