"""Request counters in `crm.rate_limits`, which all API processes share.

A row is one counter with the end of its window. The first request after that end starts a new
window in the same row. The table is unlogged, so counting does not wait for the disk. A crash of
the database loses the counts and nothing else.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from events.log.connection import Connection

PURGE_AT_ONCE = 1_000


class Counted(NamedTuple):
    """A counter with the requests that it allows in a window of some seconds."""

    key: str
    most: int
    seconds: int


class Count(NamedTuple):
    """The requests of the present window, with this one, and the end of the window."""

    hits: int
    ends_at: datetime


async def count_request(conn: Connection, counted: Sequence[Counted]) -> list[Count]:
    """Count a request in each of the counters, in order, until one has more than it allows.

    The connection must not be in a transaction. Inside one, the rows would stay locked until the
    commit, and all requests of a property would wait for each other. Callers give counters of more
    requests first, so that two requests cannot wait for each other's rows. The clock is the
    database's: the clocks of the processes may differ.
    """
    rows = await conn.fetch(
        "SELECT hits, ends_at FROM crm.count_request($1::text[], $2::int[], $3::float8[])",
        *zip(*counted, strict=True),
    )
    return [Count(*row) for row in rows]


async def purge(conn: Connection, limit: int = PURGE_AT_ONCE) -> int:
    """Delete at most `limit` counters whose window has ended, and return their number.

    Rows that a request is counting in at this moment are skipped.
    """
    status: str = await conn.execute(
        "DELETE FROM crm.rate_limits WHERE key IN (SELECT key FROM crm.rate_limits "
        "WHERE ends_at <= clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED)",
        limit,
    )
    return int(status.rpartition(" ")[2])
