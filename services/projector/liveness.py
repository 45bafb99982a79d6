"""Who is there: a projector holds a lock of its own, which PostgreSQL frees as soon as it dies.

A group waits for a killed member until its session ends; a killed process's connections are cut at
once. Nothing rests on this but speed: whoever is wrongly taken for dead claims its shards back.
"""

import asyncpg

from events.log.connection import Connection
from services.runtime.database import AWAY, connect
from services.runtime.settings import DatabaseSettings

ANSWER_SECONDS = 5.0


class Presence:
    """A connection of its own that says, for as long as it lives, that its owner does."""

    def __init__(self, settings: DatabaseSettings, owner: str) -> None:
        self.owner = owner
        self._settings = settings
        self._conn: asyncpg.Connection | None = None

    async def hold(self) -> None:
        """Be there, again where the connection was cut. Raises where the database is away."""
        try:
            if self._conn is None or self._conn.is_closed():
                self._conn = await connect(self._settings, "crm projector")
                # Shared, so that what is left of a connection that was cut is not waited for.
                lock = "SELECT pg_advisory_lock_shared(hashtextextended($1, 0))"
                await self._conn.execute(lock, _name(self.owner), timeout=ANSWER_SECONDS)
            else:
                await self._conn.execute("SELECT 1", timeout=ANSWER_SECONDS)
        except AWAY:
            self.leave()
            raise

    def leave(self) -> None:
        """Be gone."""
        if self._conn is not None:
            self._conn.terminate()
            self._conn = None


async def deserted(conn: Connection, group: str, shards: list[int], mine: str) -> dict[int, str]:
    """Of these shards, those whose owner is not there any more, or is `mine`: shard → owner."""
    rows = await conn.fetch(
        """
        WITH there AS (
          SELECT (classid::bigint << 32) | objid::bigint AS key FROM pg_locks
          WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND database =
            (SELECT oid FROM pg_database WHERE datname = current_database()))
        SELECT shard, owner FROM crm.checkpoints
        WHERE unit = $1 AND shard = ANY($2::smallint[]) AND owner IS NOT NULL AND (owner = $3
          OR hashtextextended($4 || owner, 0) NOT IN (SELECT key FROM there))
        """,
        group,
        shards,
        mine,
        _name(""),
    )
    return {row["shard"]: row["owner"] for row in rows}


def _name(owner: str) -> str:
    return f"crm projector {owner}"
