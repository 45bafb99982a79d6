"""Counters of requests in `crm.rate_limits`, shared by all processes: a storage for `limits`.

A row is one counter and when its window ends; after that it counts from the start again. The table
is unlogged, so counting waits for no disk: a crash of the server forgets counts, nothing else.
"""

from limits.aio.storage import Storage

from events.log.connection import Connection

PURGE_AT_ONCE = 1_000


class Counters(Storage):
    """Fixed windows, counted on one connection outside any transaction."""

    STORAGE_SCHEME = None

    def __init__(self, conn: Connection) -> None:
        super().__init__()
        self._conn = conn

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a storage may wrap; here the database's own errors are answered elsewhere."""
        return OSError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count; how many there are now in the window."""
        found: int = await self._conn.fetchval(
            """
            INSERT INTO crm.rate_limits AS held (key, hits, ends_at)
            VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
            ON CONFLICT (key) DO UPDATE SET
              hits = CASE WHEN held.ends_at <= clock_timestamp() THEN excluded.hits
                          ELSE least(held.hits::bigint + excluded.hits, 2147483647)::int END,
              ends_at = CASE WHEN held.ends_at <= clock_timestamp() THEN excluded.ends_at
                             ELSE held.ends_at END
            RETURNING hits
            """,
            key, amount, float(expiry),
        )  # fmt: skip
        return found

    async def get(self, key: str) -> int:
        return int(
            await self._conn.fetchval(
                "SELECT hits FROM crm.rate_limits WHERE key = $1 AND ends_at > clock_timestamp()",
                key,
            )
            or 0
        )

    async def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds of the epoch; now, where nothing was counted."""
        return float(
            await self._conn.fetchval(
                "SELECT extract(epoch FROM coalesce("
                "(SELECT ends_at FROM crm.rate_limits WHERE key = $1), clock_timestamp()))::float8",
                key,
            )
        )

    async def check(self) -> bool:
        return bool(await self._conn.fetchval("SELECT true"))

    async def reset(self) -> int | None:
        done: str = await self._conn.execute("DELETE FROM crm.rate_limits")
        return int(done.rpartition(" ")[2])

    async def clear(self, key: str) -> None:
        await self._conn.execute("DELETE FROM crm.rate_limits WHERE key = $1", key)


async def purge(conn: Connection, limit: int = PURGE_AT_ONCE) -> int:
    """Forget counters whose window is over, at most `limit`; how many."""
    done: str = await conn.execute(
        "DELETE FROM crm.rate_limits WHERE key IN (SELECT key FROM crm.rate_limits "
        "WHERE ends_at <= clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED)",
        limit,
    )
    return int(done.rpartition(" ")[2])
