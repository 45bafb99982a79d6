"""Metrics of a consumer: how far its checkpoints are behind the log, in events and in seconds."""

import time
from collections import Counter
from dataclasses import dataclass

import asyncpg
import prometheus_client

from events.log.connection import Connection
from projections.engine import checkpoints
from projections.engine.pipeline import CheckpointGroup, EventCounts
from services.runtime import metrics
from services.runtime.logging import get_logger

MAX_COUNTED_EVENTS = 100_000
"""The largest lag of a shard that is counted; a larger lag is reported as this number."""
PAUSE_FACTOR = 100
"""The pause after a count, as a multiple of its duration: a count is slow when the lag is large."""

log = get_logger("consumer")


@dataclass(frozen=True, slots=True)
class GroupMetrics:
    """The metrics of one group: its applied events, and its lag by partition."""

    applied: prometheus_client.Counter
    lag_events: prometheus_client.Gauge
    lag_seconds: prometheus_client.Gauge


PROJECTION = GroupMetrics(metrics.PROJECTED, metrics.LAG_EVENTS, metrics.LAG_SECONDS)


class ConsumerMetrics:
    """The gauges and counters of one consumer, by partition."""

    def __init__(
        self, group: CheckpointGroup, partitions: int, group_metrics: GroupMetrics = PROJECTION
    ) -> None:
        self._group, self._partitions, self._metrics = group, partitions, group_metrics
        self._applied = 0
        self._refused: Counter[str] = Counter()
        self._count_at = 0.0

    async def update(self, conn: Connection, counts: EventCounts) -> None:
        """Set the gauges from the checkpoints, and add the newly applied events."""
        self._metrics.applied.labels(self._group.name).inc(counts.applied - self._applied)
        self._applied = counts.applied
        self._count_refused(counts.refused)
        is_behind = await self._measure_delay(conn)
        began = time.monotonic()
        if is_behind and began < self._count_at:
            return
        rows = await load_lags(conn, self._group.name) if is_behind else []
        self._count_at = began + PAUSE_FACTOR * (time.monotonic() - began)
        events = dict.fromkeys(range(self._partitions), 0)
        for row in rows:
            events[row["shard"] % self._partitions] += row["events"]
        for partition, lag in events.items():
            self._metrics.lag_events.labels(str(partition)).set(lag)
        metrics.TABLES_BEYOND_LOG.set(len(await checkpoints.beyond_log(conn, self._group.name)))
        metrics.PARKED.clear()
        for row in await conn.fetch(
            "SELECT e.org_id, e.property_id, count(*) FROM crm.parked p "
            "JOIN public.crm_events e ON e.id = p.event_id "
            "WHERE p.projection_group = $1 GROUP BY 1, 2",
            self._group.name,
        ):
            metrics.PARKED.labels(str(row["org_id"]), str(row["property_id"])).set(row["count"])

    async def _measure_delay(self, conn: Connection) -> bool:
        """Set the ages of the oldest events, and return whether there are any.

        It reads one row for each shard, however large the lag is.
        """
        seconds = dict.fromkeys(range(self._partitions), 0.0)
        rows = await load_ages(conn, self._group.name)
        for row in rows:
            partition = row["shard"] % self._partitions
            seconds[partition] = max(seconds[partition], row["seconds"])
        for partition, delay in seconds.items():
            self._metrics.lag_seconds.labels(str(partition)).set(delay)
        return bool(rows)

    def _count_refused(self, refused: Counter[str]) -> None:
        """Add the newly refused records to the counter, and log all since the start."""
        if new := refused - self._refused:
            for reason, count in new.items():
                metrics.REFUSED.labels(reason).inc(count)
            log.warning("consumer.records_refused", reasons=dict(refused), is_retry=True)
            self._refused = refused.copy()


async def load_lags(conn: Connection, group: str) -> list[asyncpg.Record]:
    """Return per shard the number of events of the log after the checkpoint, numbered or not."""
    return await conn.fetch(
        """
        SELECT checkpoint.shard, lag.events
        FROM crm.checkpoints checkpoint CROSS JOIN LATERAL (
          SELECT count(*) AS events FROM (
            SELECT FROM public.crm_events e
            WHERE e.shard = checkpoint.shard AND e.position > checkpoint.position
            ORDER BY e.position LIMIT $2) AS numbered) AS lag
        WHERE checkpoint.projection_group = $1 AND lag.events > 0
        UNION ALL
        SELECT shard, count(*) FROM public.crm_events WHERE position IS NULL GROUP BY shard
        """,
        group,
        MAX_COUNTED_EVENTS,
    )


async def load_ages(conn: Connection, group: str) -> list[asyncpg.Record]:
    """Return per shard the age of the first event after the checkpoint, numbered or not."""
    return await conn.fetch(
        """
        SELECT checkpoint.shard,
          extract(epoch FROM clock_timestamp() - next.recorded_at)::float8 AS seconds
        FROM crm.checkpoints checkpoint CROSS JOIN LATERAL (
          SELECT e.recorded_at FROM public.crm_events e
          WHERE e.shard = checkpoint.shard AND e.position > checkpoint.position
          ORDER BY e.position LIMIT 1) AS next
        WHERE checkpoint.projection_group = $1
        UNION ALL
        SELECT shard, extract(epoch FROM clock_timestamp() - min(recorded_at))::float8
        FROM public.crm_events WHERE position IS NULL GROUP BY shard
        """,
        group,
    )
