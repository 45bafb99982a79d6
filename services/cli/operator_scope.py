"""The scope of what an operator does to an entity: its property, now, and who it is."""

import getpass
from datetime import UTC, datetime

import asyncpg

from events.record import Cause, Stream
from services.application.scope import Scope
from services.host import find_stream_owner
from services.runtime.terminal import Failure


async def find_scope(conn: asyncpg.Connection, stream: Stream) -> Scope:
    """Return the scope of a change by the operator. Raise `Failure` for an unknown entity."""
    owner = await find_stream_owner(conn, stream)
    if owner is None or owner[1] is None:
        raise Failure(f"there is no {stream.entity_type} {stream.entity_id}")
    return Scope(owner[0], owner[1], datetime.now(UTC), operator_cause())


def operator_cause() -> Cause:
    """Return the cause of what the operator does."""
    return Cause(f"operator:{getpass.getuser()}")
