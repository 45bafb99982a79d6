"""The liveness lock: an advisory lock that each projector holds while it is alive.

A Kafka group waits for a killed member until its session ends. PostgreSQL notices the end of a
process at once, because its connections are closed, and frees the lock. So another projector can
take over its shards earlier. Only the speed of a takeover depends on this lock: fencing by owner
epoch keeps the tables correct, also if a living projector is taken for dead.
"""

import asyncpg

from events.log.connection import Connection
from services.runtime.database import CONNECTION_ERRORS, connect
from services.runtime.settings import DatabaseSettings

LOCK_TIMEOUT_SECONDS = 5.0


class LivenessLock:
    """The liveness lock of one projector, on a connection of its own."""

    def __init__(self, settings: DatabaseSettings, owner: str) -> None:
        self.owner = owner
        self._settings = settings
        self._conn: asyncpg.Connection | None = None

    async def acquire(self) -> None:
        """Acquire the lock, or check that it is still held. Raise errors of the connection."""
        try:
            if self._conn is None or self._conn.is_closed():
                self._conn = await connect(self._settings, "crm projector")
                # Shared: after a broken connection, its old session may still hold the lock.
                lock = "SELECT pg_advisory_lock_shared(hashtextextended($1, 0))"
                await self._conn.execute(lock, _lock_name(self.owner), timeout=LOCK_TIMEOUT_SECONDS)
            else:
                await self._conn.execute("SELECT 1", timeout=LOCK_TIMEOUT_SECONDS)
        except CONNECTION_ERRORS:
            self.release()
            raise

    def release(self) -> None:
        """Close the connection, which frees the lock."""
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None


async def find_dead_owners(
    conn: Connection, group: str, shards: list[int], own_name: str
) -> dict[int, str]:
    """Return shard → owner for shards whose owner is dead, or is this projector (`own_name`)."""
    rows = await conn.fetch(
        """
        WITH alive AS (
          SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks
          WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database =
            (SELECT oid FROM pg_database WHERE datname = current_database()))
        SELECT shard, owner FROM crm.checkpoints
        WHERE projection_group = $1 AND shard = ANY($2::smallint[]) AND owner IS NOT NULL
          AND (owner = $3 OR hashtextextended($4 || owner, 0) NOT IN (SELECT key FROM alive))
        """,
        group,
        shards,
        own_name,
        _lock_name(""),
    )
    return {row["shard"]: row["owner"] for row in rows}


def _lock_name(owner: str) -> str:
    return f"crm projector {owner}"
