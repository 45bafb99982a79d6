"""Samples of the pipeline: how far everything was behind, every ten seconds of the last hours.

One statement looks and writes. All counts are bounded, so a large lag does not make it slow: the
seconds are exact, the events of a shard are counted up to `MAX_SHARD_EVENTS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from events.log.connection import Connection
from events.timers import TimerKind
from projections.catalog import LIVE
from services.application.pipeline_state import MAX_COUNT
from services.application.policy_group import POLICIES

SAMPLE_SECONDS = 10
"""Time between two samples. A peak that is shorter can be missed."""
KEEP = timedelta(hours=6)
"""Age at which a sample is removed."""
MAX_SHARD_EVENTS = 1_000
"""Events that are counted at most for each shard."""
MAX_ORIGINS = 5_000
"""Newest events whose origin is looked at; the others are taken to have the same shares."""


@dataclass(frozen=True, slots=True)
class PipelineSample:
    """The state at one instant. `…_seconds`: the age of the oldest event or timer that waits.

    `http_events`, `intake_events`, `other_events` and `messages` (handed over) are numbers since
    the sample before. `owners`: `relay` or a group → the names of the processes that own its work.
    """

    sampled_at: datetime
    position: int
    unpublished: int
    unnumbered: int
    http_events: int
    intake_events: int
    other_events: int
    messages: int
    relay_seconds: float
    projection_events: int
    projection_seconds: float
    policy_events: int
    policy_seconds: float
    timers_due: int
    timers_seconds: float
    parked: int
    refused: int
    held: int
    owners: Mapping[str, Any]
    database_started_at: datetime


_SLOT = f"date_bin('{SAMPLE_SECONDS} seconds', clock_timestamp(), '2000-01-01+00')"
_SAMPLE = f"""
WITH expired AS (
  DELETE FROM crm.pipeline_samples WHERE sampled_at < clock_timestamp() - $5::interval
), log AS (
  SELECT position, position - published AS unpublished,
    CASE WHEN relay_lease_until > clock_timestamp() THEN relay_name END AS relay FROM crm.log
), before AS (
  SELECT coalesce((SELECT position FROM crm.pipeline_samples
    ORDER BY sampled_at DESC LIMIT 1), (SELECT position FROM log)) AS position
), newest AS MATERIALIZED (
  SELECT actor, event_type FROM public.crm_events
  WHERE position > greatest((SELECT position FROM before), (SELECT position FROM log) - $6)
    AND position <= (SELECT position FROM log)
), counted AS (
  SELECT count(*) AS events,
    count(*) FILTER (WHERE actor LIKE 'visitor:%' OR actor LIKE 'user:%') AS http,
    count(*) FILTER (WHERE actor LIKE 'producer:%') AS intake,
    count(*) FILTER (WHERE event_type = 'delivery.handed_over') AS messages FROM newest
), scale AS (
  SELECT http, intake, events, messages, greatest(log.position - before.position, 0) AS total,
    CASE WHEN events = 0 THEN 0
      ELSE greatest(log.position - before.position, 0)::float8 / events END AS factor
  FROM counted, log, before
), unnumbered AS (
  SELECT count(*) AS events, coalesce(max(extract(epoch FROM clock_timestamp() - recorded_at)), 0)
    AS seconds FROM (SELECT recorded_at FROM public.crm_events WHERE position IS NULL
      ORDER BY seq LIMIT $3) AS waiting
), lag AS (
  SELECT held.projection_group,
    sum((SELECT count(*) FROM (SELECT FROM public.crm_events e
      WHERE e.shard = held.shard AND e.position > held.position LIMIT $4) AS few)) AS events,
    coalesce(max((SELECT extract(epoch FROM clock_timestamp() - e.recorded_at)
      FROM public.crm_events e WHERE e.shard = held.shard AND e.position > held.position
      ORDER BY e.position LIMIT 1)), 0) AS seconds
  FROM crm.checkpoints held JOIN crm.shards head USING (shard)
  WHERE head.position > held.position GROUP BY 1
), due AS (
  SELECT sum((SELECT count(*) FROM (SELECT FROM crm.timers timer
      WHERE timer.kind = kinds.kind AND timer.queue_at <= $8 LIMIT $3) AS few)) AS timers,
    max((SELECT extract(epoch FROM $8 - min(timer.queue_at)) FROM crm.timers timer
      WHERE timer.kind = kinds.kind)) AS seconds
  FROM unnest($7::text[]) AS kinds (kind)
)
INSERT INTO crm.pipeline_samples
SELECT {_SLOT}, log.position, log.unpublished, unnumbered.events,
  round(scale.http * scale.factor), round(scale.intake * scale.factor),
  scale.total - round(scale.http * scale.factor) - round(scale.intake * scale.factor),
  round(scale.messages * scale.factor), unnumbered.seconds,
  coalesce((SELECT events FROM lag WHERE projection_group = $1), 0) + unnumbered.events,
  greatest((SELECT seconds FROM lag WHERE projection_group = $1), unnumbered.seconds),
  coalesce((SELECT events FROM lag WHERE projection_group = $2), 0) + unnumbered.events,
  greatest((SELECT seconds FROM lag WHERE projection_group = $2), unnumbered.seconds),
  due.timers, greatest(due.seconds, 0),
  (SELECT count(*) FROM (SELECT FROM crm.parked WHERE projection_group = $1 LIMIT $3) AS few),
  (SELECT count(*) FROM (SELECT FROM crm.dead_letters WHERE status = 'open' LIMIT $3) AS few),
  (SELECT count(*) FROM (SELECT FROM public.deliveries WHERE status = 'held' LIMIT $3) AS few),
  jsonb_build_object('relay', CASE WHEN relay IS NULL THEN '[]'::jsonb
      ELSE jsonb_build_array(relay) END) || coalesce((
    SELECT jsonb_object_agg(name, owners) FROM (
      SELECT projection_group AS name, jsonb_agg(DISTINCT owner ORDER BY owner) AS owners
      FROM crm.checkpoints WHERE owner IS NOT NULL GROUP BY 1) AS grouped), '{{}}'),
  pg_postmaster_start_time()
FROM log, scale, unnumbered, due
ON CONFLICT (sampled_at) DO UPDATE SET held = excluded.held
RETURNING timers_due, timers_seconds, held, clock_timestamp() AS database_time
"""
# A second process changes only `held`: without any change there would be no row to return.


class SampleAnswer(NamedTuple):
    """The numbers that the process exports as metrics after it wrote a sample."""

    timers_due: int
    timers_seconds: float
    held: int
    database_time: datetime


async def write_sample(conn: Connection, now: datetime) -> SampleAnswer:
    """Write the sample of this instant, if no other process did, and remove the old ones.

    `now` is the instant of the core's clock: timers are due by it. All else is the time of the
    database.
    """
    row = await conn.fetchrow(
        _SAMPLE, LIVE.name, POLICIES.name, MAX_COUNT, MAX_SHARD_EVENTS, KEEP, MAX_ORIGINS,
        list(TimerKind), now,
    )  # fmt: skip
    if row is None:
        raise RuntimeError("crm.log is empty: run `crm db migrate`")
    return SampleAnswer(*row.values())


async def list_samples(conn: Connection, span: timedelta) -> list[PipelineSample]:
    """Return the samples of the last `span`, the oldest first."""
    rows = await conn.fetch(
        "SELECT * FROM crm.pipeline_samples WHERE sampled_at > clock_timestamp() - $1::interval "
        "ORDER BY sampled_at",
        span,
    )
    return [PipelineSample(**row) for row in rows]
