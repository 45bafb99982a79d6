"""Metrics of the projector: how far the tables are behind the log, in events and in seconds."""

import time

import asyncpg

from events.log.connection import Connection
from projections.engine.pipeline import EventCounts
from projections.engine.projection_group import ProjectionGroup
from services.runtime import metrics

MAX_COUNTED_EVENTS = 100_000
"""The largest lag of a shard that is counted; a larger lag is reported as this number."""
PAUSE_FACTOR = 20
"""The pause after a count, as a multiple of its duration: a count is slow when the lag is large."""


class ProjectorMetrics:
    """The gauges and counters of one projector, by partition."""

    def __init__(self, group: ProjectionGroup, partitions: int) -> None:
        self._group, self._partitions = group, partitions
        self._projected = 0
        self._count_at = 0.0

    async def update(self, conn: Connection, counts: EventCounts) -> None:
        """Set the gauges from the checkpoints, and add the newly projected events."""
        metrics.PROJECTED.labels(self._group.name).inc(counts.projected - self._projected)
        self._projected = counts.projected
        began = time.monotonic()
        if began < self._count_at:
            return
        rows = await _load_lags(conn, self._group.name)
        self._count_at = began + PAUSE_FACTOR * (time.monotonic() - began)
        events = dict.fromkeys(range(self._partitions), 0)
        seconds = dict.fromkeys(range(self._partitions), 0.0)
        for row in rows:
            partition = row["shard"] % self._partitions
            events[partition] += row["events"]
            seconds[partition] = max(seconds[partition], row["seconds"])
        for partition, lag in events.items():
            metrics.LAG_EVENTS.labels(str(partition)).set(lag)
            metrics.LAG_SECONDS.labels(str(partition)).set(seconds[partition])
        metrics.PARKED.clear()
        for row in await conn.fetch(
            "SELECT e.org_id, e.property_id, count(*) FROM crm.parked p "
            "JOIN public.crm_events e ON e.id = p.event_id "
            "WHERE p.projection_group = $1 GROUP BY 1, 2",
            self._group.name,
        ):
            metrics.PARKED.labels(str(row["org_id"]), str(row["property_id"])).set(row["count"])


async def _load_lags(conn: Connection, group: str) -> list[asyncpg.Record]:
    """Return per shard the events that are in the log and not in the tables, numbered or not."""
    return await conn.fetch(
        """
        SELECT checkpoint.shard, lag.events, coalesce(extract(epoch FROM
          clock_timestamp() - lag.oldest), 0)::float8 AS seconds
        FROM crm.checkpoints checkpoint CROSS JOIN LATERAL (
          SELECT count(*) AS events, min(recorded_at) AS oldest FROM (
            SELECT recorded_at FROM public.crm_events e
            WHERE e.shard = checkpoint.shard AND e.position > checkpoint.position
            ORDER BY e.position LIMIT $2) AS numbered) AS lag
        WHERE checkpoint.projection_group = $1 AND lag.events > 0
        UNION ALL
        SELECT shard, count(*), extract(epoch FROM clock_timestamp() - min(recorded_at))::float8
        FROM public.crm_events WHERE position IS NULL GROUP BY shard
        """,
        group,
        MAX_COUNTED_EVENTS,
    )
