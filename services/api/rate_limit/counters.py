"""Request counters in `crm.rate_limits`, as a storage for the library `limits`.

All API processes share the counters. A row is one counter with the end of its window. The first
request after that end starts a new window in the same row. The table is unlogged, so counting does
not wait for the disk. A crash of the database loses the counts and nothing else.
"""

from limits.aio.storage import Storage

from events.log.connection import Connection

PURGE_AT_ONCE = 1_000


class Counters(Storage):
    """Counters of fixed windows. The connection must not be in a transaction.

    Inside one, a counter's row would stay locked until the commit, and all requests of a property
    would wait for each other.
    """

    STORAGE_SCHEME = None

    def __init__(self, conn: Connection) -> None:
        super().__init__()
        self._conn = conn

    @property
    def base_exceptions(self) -> type[Exception]:
        """The errors that the library may wrap. Errors of the database are handled elsewhere."""
        return OSError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add `amount` to the counter and return its value. `expiry` is in seconds.

        One statement reads, resets and adds, so two processes never lose a count. The clock is
        the database's: the clocks of the processes may differ. The count stops at the largest
        int4 instead of failing.
        """
        hits: int = await self._conn.fetchval(
            """
            INSERT INTO crm.rate_limits AS counter (key, hits, ends_at)
            VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
            ON CONFLICT (key) DO UPDATE SET
              hits = CASE WHEN counter.ends_at <= clock_timestamp() THEN excluded.hits
                          ELSE least(counter.hits::bigint + excluded.hits, 2147483647)::int END,
              ends_at = CASE WHEN counter.ends_at <= clock_timestamp() THEN excluded.ends_at
                             ELSE counter.ends_at END
            RETURNING hits
            """,
            key, amount, float(expiry),
        )  # fmt: skip
        return hits

    async def get(self, key: str) -> int:
        """Return the counter's value; 0 after the end of its window."""
        return int(
            await self._conn.fetchval(
                "SELECT hits FROM crm.rate_limits WHERE key = $1 AND ends_at > clock_timestamp()",
                key,
            )
            or 0
        )

    async def get_expiry(self, key: str) -> float:
        """Return the end of the window in seconds since 1970; the current time without a row."""
        return float(
            await self._conn.fetchval(
                "SELECT extract(epoch FROM coalesce("
                "(SELECT ends_at FROM crm.rate_limits WHERE key = $1), clock_timestamp()))::float8",
                key,
            )
        )

    async def check(self) -> bool:
        """Return whether the database answers."""
        return bool(await self._conn.fetchval("SELECT true"))

    async def reset(self) -> int | None:
        """Delete all counters and return their number."""
        status: str = await self._conn.execute("DELETE FROM crm.rate_limits")
        return int(status.rpartition(" ")[2])

    async def clear(self, key: str) -> None:
        """Delete one counter."""
        await self._conn.execute("DELETE FROM crm.rate_limits WHERE key = $1", key)


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
