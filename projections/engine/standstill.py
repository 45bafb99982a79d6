"""Standstill of a group: events that wait although no checkpoint of their shard moves.

It is read from the database alone, so that commands find it also if no projector runs.
"""

from collections.abc import Collection
from dataclasses import dataclass

from events.log.connection import Connection
from events.log.shard import SHARDS
from projections.engine.pipeline import CheckpointGroup

STANDSTILL_SECONDS = 10.0
"""Time for which an event must wait, without any move of its checkpoint, to stand still."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Shards in which nothing is applied, or events that get no position.

    `work`: the work that does not go on; `tables`: the derived tables for whose locks a session
    waits.
    """

    work: str
    shards: tuple[int, ...]
    unnumbered: int
    seconds: float
    tables: tuple[str, ...]

    def __str__(self) -> str:
        texts = []
        if self.shards:
            texts.append(
                f"{self.work} stands still: events of {_count(len(self.shards), 'shard')} have "
                f"waited for {self.seconds:.0f} s, the first is shard {self.shards[0]}"
            )
        if self.tables:
            texts.append(f"a session waits for a lock of {', '.join(self.tables)}")
        if self.unnumbered:
            texts.append(
                f"{_count(self.unnumbered, 'event')} without a position for {self.seconds:.0f} s: "
                "start the relay"
            )
        return "; ".join(texts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


async def find_standstill(
    conn: Connection, group: CheckpointGroup, shards: Collection[int] = range(SHARDS)
) -> Standstill | None:
    """Return the standstill of some shards; None if work goes on or there is none."""
    rows = await conn.fetch(
        """
        SELECT c.shard, extract(epoch FROM clock_timestamp() - next.recorded_at)::float8 AS seconds
        FROM crm.checkpoints c CROSS JOIN LATERAL (
          SELECT e.recorded_at FROM public.crm_events e
          WHERE e.shard = c.shard AND e.position > c.position ORDER BY e.position LIMIT 1) AS next
        WHERE c.projection_group = $1 AND c.shard = ANY($2::smallint[])
          AND greatest(c.moved_at, next.recorded_at)
            < clock_timestamp() - make_interval(secs => $3)
        ORDER BY seconds DESC
        """,
        group.name,
        list(shards),
        STANDSTILL_SECONDS,
    )
    (unnumbered,) = await conn.fetch(
        """
        SELECT count(*) AS events,
          coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float8 AS seconds
        FROM public.crm_events WHERE position IS NULL AND shard = ANY($1::smallint[])
          AND recorded_at < clock_timestamp() - make_interval(secs => $2)
        """,
        list(shards),
        STANDSTILL_SECONDS,
    )
    if not rows and not unnumbered["events"]:
        return None
    seconds = [row["seconds"] for row in (*rows, unnumbered)]
    tables = await _find_awaited_tables(conn, group) if rows else ()
    return Standstill(
        group.work, tuple(row["shard"] for row in rows), unnumbered["events"], max(seconds), tables
    )


async def _find_awaited_tables(conn: Connection, group: CheckpointGroup) -> tuple[str, ...]:
    """Return the derived tables for whose locks any session of this database waits."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT format('%s.%s', n.nspname, c.relname) AS name
        FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT l.granted AND l.locktype IN ('relation', 'tuple')
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND format('%s.%s', n.nspname, c.relname) = ANY($1::text[]) ORDER BY 1
        """,
        [table.live_name for table in group.tables],
    )
    return tuple(row["name"] for row in rows)
