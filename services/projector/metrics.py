"""What the projector tells Prometheus: how far behind the tables are, in events and in seconds."""

import time

import asyncpg

from events.log.connection import Connection
from projections.engine.live import Counts
from projections.engine.projection_group import ProjectionGroup
from services.runtime import metrics

COUNTED_AT_MOST = 100_000
"""A shard further behind than this many events is told as this many."""


REST_SHARE = 20
"""After counting, so many times its length passes before the next: far behind, counting is slow."""


class Figures:
    """Turns counts and checkpoints into gauges, a group of shards (a partition) at a time."""

    def __init__(self, group: ProjectionGroup, partitions: int) -> None:
        self._group, self._partitions = group, partitions
        self._told = 0
        self._count_at = 0.0

    async def tell(self, conn: Connection, counts: Counts) -> None:
        metrics.PROJECTED.labels(self._group.name).inc(counts.projected - self._told)
        self._told = counts.projected
        began = time.monotonic()
        if began < self._count_at:
            return
        rows = await _lags(conn, self._group.name)
        self._count_at = began + REST_SHARE * (time.monotonic() - began)
        events = dict.fromkeys(range(self._partitions), 0)
        seconds = dict.fromkeys(range(self._partitions), 0.0)
        for row in rows:
            group = row["shard"] % self._partitions
            events[group] += row["events"]
            seconds[group] = max(seconds[group], row["seconds"])
        for group, behind in events.items():
            metrics.LAG_EVENTS.labels(str(group)).set(behind)
            metrics.LAG_SECONDS.labels(str(group)).set(seconds[group])
        metrics.PARKED.clear()
        for row in await conn.fetch(
            "SELECT e.org_id, e.property_id, count(*) FROM crm.parked p "
            "JOIN public.crm_events e ON e.id = p.event_id WHERE p.unit = $1 GROUP BY 1, 2",
            self._group.name,
        ):
            metrics.PARKED.labels(str(row["org_id"]), str(row["property_id"])).set(row["count"])


async def _lags(conn: Connection, group: str) -> list[asyncpg.Record]:
    """Per shard what is in the log and not in the tables: numbered or not."""
    return await conn.fetch(
        """
        SELECT held.shard, behind.events, coalesce(extract(epoch FROM
          clock_timestamp() - behind.oldest), 0)::float8 AS seconds
        FROM crm.checkpoints held CROSS JOIN LATERAL (
          SELECT count(*) AS events, min(recorded_at) AS oldest FROM (
            SELECT recorded_at FROM public.crm_events e
            WHERE e.shard = held.shard AND e.position > held.position
            ORDER BY e.position LIMIT $2) AS numbered) AS behind
        WHERE held.unit = $1 AND behind.events > 0
        UNION ALL
        SELECT shard, count(*), extract(epoch FROM clock_timestamp() - min(recorded_at))::float8
        FROM public.crm_events WHERE position IS NULL GROUP BY shard
        """,
        group,
        COUNTED_AT_MOST,
    )
