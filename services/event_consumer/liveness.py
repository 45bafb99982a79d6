"""The liveness of a consumer: an advisory lock on a session of its own, or a lease without one.

A Kafka group waits for a killed member until its session ends. PostgreSQL notices the end of a
process at once, because its connections are closed, and frees the lock. So another consumer can
take over its shards earlier. Behind a transaction-mode pooler a process has no session. It renews a
lease instead, and its end is noticed when the lease expires. Only the speed of a takeover depends
on this: fencing by owner epoch keeps the checkpoints correct, also if a living one is taken for
dead.
"""

from typing import Protocol

import asyncpg

from events.log.connection import Connection
from services.runtime.database import CONNECTION_ERRORS, connect
from services.runtime.database_settings import DatabaseSettings

LOCK_TIMEOUT_SECONDS = 5.0
LEASE_SECONDS = 10.0
FORGET_SECONDS = 3_600.0
"""Age from which the lease of an ended consumer is deleted."""


class Liveness(Protocol):
    """The interface of lock and lease. The watchdog calls `acquire` every few seconds at least."""

    async def acquire(self) -> None:
        """Show that this consumer is alive, or check it. Raise errors of the connection."""

    async def release(self) -> None:
        """Show that this consumer has ended."""


def make_liveness(settings: DatabaseSettings, pool: asyncpg.Pool, owner: str) -> Liveness:
    """Return the lock on a direct connection if there is an address for it, else the lease."""
    if settings.direct is None:
        return LivenessLease(pool, owner)
    return LivenessLock(settings.direct, owner)


class LivenessLock:
    """The liveness lock of one consumer, on a connection of its own."""

    def __init__(self, settings: DatabaseSettings, owner: str) -> None:
        self.owner = owner
        self._settings = settings
        self._conn: asyncpg.Connection | None = None

    async def acquire(self) -> None:
        """Acquire the lock, or check that it is still held. Raise errors of the connection."""
        try:
            if self._conn is None or self._conn.is_closed():
                self._conn = await connect(self._settings, "crm liveness")
                # Shared: after a broken connection, its old session may still hold the lock.
                lock = "SELECT pg_advisory_lock_shared(hashtextextended($1, 0))"
                await self._conn.execute(lock, _lock_name(self.owner), timeout=LOCK_TIMEOUT_SECONDS)
            else:
                await self._conn.execute("SELECT 1", timeout=LOCK_TIMEOUT_SECONDS)
        except CONNECTION_ERRORS:
            await self.release()
            raise

    async def release(self) -> None:
        """Close the connection, which frees the lock."""
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None


class LivenessLease:
    """The lease of one consumer, a row that it renews."""

    def __init__(self, pool: asyncpg.Pool, owner: str) -> None:
        self.owner = owner
        self._pool = pool

    async def acquire(self) -> None:
        """Renew the lease. Raise errors of the connection."""
        await self._pool.execute(
            """
            WITH forgotten AS (DELETE FROM crm.projector_leases
              WHERE expires_at < clock_timestamp() - make_interval(secs => $3) AND owner <> $1)
            INSERT INTO crm.projector_leases (owner, expires_at)
            VALUES ($1, clock_timestamp() + make_interval(secs => $2))
            ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at
            """,
            self.owner,
            LEASE_SECONDS,
            FORGET_SECONDS,
            timeout=LOCK_TIMEOUT_SECONDS,
        )

    async def release(self) -> None:
        """Delete the lease; if the database is away, it expires."""
        try:
            await self._pool.execute(
                "DELETE FROM crm.projector_leases WHERE owner = $1", self.owner
            )
        except CONNECTION_ERRORS:
            return


async def find_dead_owners(
    conn: Connection, group: str, shards: list[int], own_name: str
) -> dict[int, str]:
    """Return shard → owner for shards whose owner is dead, or is this consumer (`own_name`)."""
    rows = await conn.fetch(
        """
        WITH alive AS (
          SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks
          WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database =
            (SELECT oid FROM pg_database WHERE datname = current_database()))
        SELECT shard, owner FROM crm.checkpoints
        WHERE projection_group = $1 AND shard = ANY($2::smallint[]) AND owner IS NOT NULL
          AND (owner = $3 OR hashtextextended($4 || owner, 0) NOT IN (SELECT key FROM alive)
            AND NOT EXISTS (SELECT FROM crm.projector_leases lease
              WHERE lease.owner = checkpoints.owner AND expires_at > clock_timestamp()))
        """,
        group,
        shards,
        own_name,
        _lock_name(""),
    )
    return {row["shard"]: row["owner"] for row in rows}


def _lock_name(owner: str) -> str:
    return f"crm projector {owner}"
