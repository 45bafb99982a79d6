"""Reads of the state of the pipeline, from the database alone.

Every query is bounded: it is repeated every few seconds while somebody looks.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from events.log import sequencer
from events.log.connection import Connection
from events.log.sequencer import LogState
from events.log.staged_backlog import read_backlog
from events.timers import TimerKind
from projections.catalog import LIVE
from projections.engine import checkpoints
from projections.engine.pipeline import CheckpointGroup
from projections.engine.standstill import find_standstill
from services.application.pipeline_state import (
    MAX_COUNT,
    DatabaseState,
    GroupState,
    MinuteCounts,
    PipelineState,
    RelayState,
    ShardState,
    StopState,
    TimerState,
)
from services.application.policy_group import POLICIES
from services.event_consumer.metrics import load_ages, load_lags

RATE_SECONDS = 60
_EVENTS_OF_LAST_MINUTE = """
SELECT count(*), count(*) FILTER (WHERE actor LIKE 'visitor:%' OR actor LIKE 'user:%'),
  count(*) FILTER (WHERE actor LIKE 'producer:%'),
  count(*) FILTER (WHERE event_type = 'delivery.handed_over')
FROM (SELECT recorded_at, actor, event_type FROM public.crm_events
  WHERE position > $1::bigint - $2 AND position <= $1) AS newest
WHERE recorded_at > clock_timestamp() - make_interval(secs => $3)
"""
_DATABASE = """
SELECT pg_postmaster_start_time(), count(*), current_setting('max_connections')::int,
  coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8,
  pg_database_size(current_database())
FROM pg_stat_activity WHERE datname = current_database()
"""
_TIMERS = """
SELECT kind.kind, first.queue_at AS first_at, (
  SELECT count(*) FROM (SELECT FROM crm.timers timer
    WHERE timer.kind = kind.kind AND timer.queue_at <= $2 LIMIT $3) AS due) AS due
FROM unnest($1::text[]) AS kind (kind) LEFT JOIN LATERAL (
  SELECT queue_at FROM crm.timers timer WHERE timer.kind = kind.kind
  ORDER BY queue_at, entity_id LIMIT 1) AS first ON true
"""


async def read_pipeline(pool: asyncpg.Pool, now: datetime) -> PipelineState:
    """Return the state of the pipeline. `now` is the instant of the core's clock, for timers."""
    async with pool.acquire() as conn:
        log = await sequencer.read_log_state(conn)
        parked = await conn.fetch(
            "SELECT reason, behind, count(*) FROM crm.parked WHERE projection_group = $1 "
            "GROUP BY 1, 2 ORDER BY 3 DESC, 1",
            LIVE.name,
        )
        refused = await conn.fetch(
            "SELECT reason, count(*) FROM crm.dead_letters WHERE status = 'open' "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        stops = await conn.fetch(
            "SELECT property_id, stopped_at, stopped_by, reason FROM crm.delivery_stops "
            "WHERE released_at IS NULL ORDER BY stopped_at LIMIT 100"
        )
        bus = await conn.fetch(
            "SELECT topic, sum(end_offset)::bigint AS records FROM crm.relay_partitions GROUP BY 1"
        )
        return PipelineState(
            log=log,
            last_minute=MinuteCounts(
                *await _read_row(
                    conn, _EVENTS_OF_LAST_MINUTE, log.position, MAX_COUNT, RATE_SECONDS
                )
            ),
            database=DatabaseState(*await _read_row(conn, _DATABASE)),
            relay=await _read_relay(conn, log),
            bus_records={row["topic"]: row["records"] for row in bus},
            projection=await read_group(conn, LIVE, log),
            policies=await read_group(conn, POLICIES, log),
            parked={row["reason"]: row["count"] for row in parked if not row["behind"]},
            parked_behind=sum(row["count"] for row in parked if row["behind"]),
            timers=await _read_timers(conn, now),
            held_messages=await _count(
                conn, "SELECT FROM public.deliveries WHERE status = 'held' LIMIT $1"
            ),
            unknown_messages=await _count(
                conn, "SELECT FROM public.deliveries WHERE status = 'unknown' LIMIT $1"
            ),
            stops=tuple(StopState(*row.values()) for row in stops),
            refused={row["reason"]: row["count"] for row in refused},
            waiting_records=await _count(conn, "SELECT FROM crm.intake_waiting LIMIT $1"),
            staged=await read_backlog(conn),
            policy_failures=await _count(conn, "SELECT FROM crm.policy_failures LIMIT $1"),
            sessions=await read_sessions(conn),
        )


async def _read_row(conn: Connection, query: str, *arguments: object) -> tuple[Any, ...]:
    """Return the only row of a query of sums."""
    row = await conn.fetchrow(query, *arguments)
    assert row is not None  # noqa: S101 — a query of sums has one row
    return tuple(row.values())


async def _read_relay(conn: Connection, log: LogState) -> RelayState:
    row = await conn.fetchrow(
        "SELECT relay_name, relay_lease_until > clock_timestamp() AS is_alive FROM crm.log"
    )
    unnumbered = await _count(conn, "SELECT FROM public.crm_events WHERE position IS NULL LIMIT $1")
    name, is_alive = (None, False) if row is None else row.values()
    return RelayState(name, is_alive, unnumbered, max(0, log.position - log.published))


async def read_group(conn: Connection, group: CheckpointGroup, log: LogState) -> GroupState:
    """Return the checkpoints of a group, with its lag by shard."""
    lags: dict[int, int] = {}
    for row in await load_lags(conn, group.name):
        lags[row["shard"]] = lags.get(row["shard"], 0) + row["events"]
    ages: dict[int, float] = {}
    for row in await load_ages(conn, group.name):
        ages[row["shard"]] = max(ages.get(row["shard"], 0.0), row["seconds"])
    rows = await conn.fetch(
        """
        SELECT held.shard, head.position AS head, held.position AS reached, held.owner,
          held.moved_at, held.version, held.generation, coalesce(parked.events, 0) AS parked
        FROM crm.checkpoints held JOIN crm.shards head USING (shard)
        LEFT JOIN (SELECT shard, count(*) AS events FROM crm.parked WHERE projection_group = $1
          GROUP BY shard) AS parked USING (shard)
        WHERE held.projection_group = $1 ORDER BY held.shard
        """,
        group.name,
    )
    return GroupState(
        group.name,
        group.version,
        frozenset(row["version"] for row in rows),
        frozenset(row["generation"] for row in rows if row["generation"] != log.generation),
        tuple(
            ShardState(
                row["shard"], row["head"], row["reached"], lags.get(row["shard"], 0),
                ages.get(row["shard"], 0.0), row["owner"], row["moved_at"], row["parked"],
            )
            for row in rows
        ),
        await find_standstill(conn, group),
        tuple(await checkpoints.beyond_log(conn, group.name)),
    )  # fmt: skip


async def _read_timers(conn: Connection, now: datetime) -> tuple[TimerState, ...]:
    rows: Sequence[asyncpg.Record] = await conn.fetch(_TIMERS, list(TimerKind), now, MAX_COUNT)
    return tuple(TimerState(row["kind"], row["due"], row["first_at"]) for row in rows)


async def read_sessions(conn: Connection) -> Mapping[str, int]:
    """Return the name of a process → its sessions in this database. A pooler hides them."""
    rows = await conn.fetch(
        "SELECT application_name AS name, count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'crm %' GROUP BY 1"
    )
    return {row["name"]: row["count"] for row in rows}


async def _count(conn: Connection, query: str) -> int:
    """Return how many rows a query has, `MAX_COUNT` at most. `$1` is its limit."""
    number: int = await conn.fetchval(f"SELECT count(*) FROM ({query}) AS counted", MAX_COUNT)
    return number
