"""The measurement of one log: append, relay, project and rebuild it on one database and topic."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks.child import measure
from benchmarks.growth.curve import record_bytes
from benchmarks.run import HOST_EVENTS_PER_PROPERTY
from benchmarks.servers import BenchmarkServers
from benchmarks.workload import insert_host_rows, make_organization
from benchmarks.workload_size import WorkloadSize
from projections.catalog import LIVE
from services.runtime.database import connect
from services.runtime.migrations import migrate

STAGES = {"append": "bulk", "relay": "relay", "project": "project", "rebuild": "rebuild"}
"""Stage → its measurement."""


@dataclass(frozen=True)
class GrowthResult:
    """The results for a log with `events` events: stage → result.

    `bytes` is kind → the size on the disk before the rebuild.
    """

    events: int
    stages: dict[str, dict[str, Any]]
    bytes: dict[str, int]

    def rate(self, stage: str) -> float:
        """Return the events per second of a stage."""
        result = self.stages[stage]
        return float(result["events"] / result["seconds"])

    def peak_mib(self, stage: str) -> float:
        """Return the peak memory of a stage."""
        return float(self.stages[stage]["peak_mib"])


async def measure_growth(servers: BenchmarkServers, events: int, step: int = 0) -> GrowthResult:
    """Measure all stages, with a point of the curves after each `step` events."""
    size = WorkloadSize(events=events)
    organization = [size.seed, size.properties]
    total = events + HOST_EVENTS_PER_PROPERTY * size.properties + 1
    database = await servers.database()
    await asyncio.to_thread(migrate, servers.url(database))
    settings = servers.settings(database, "growth")
    conn = await connect(settings, "bench", role=None)
    await insert_host_rows(conn, make_organization(*organization))
    arguments: dict[str, dict[str, Any]] = {
        "append": {"seed": size.seed, "organization": organization, "events": events},
        "relay": {"events": total},
        "project": {"events": total},
        "rebuild": {"events": total},
    }
    stages: dict[str, dict[str, Any]] = {}
    sizes: dict[str, int] = {}
    for stage, name in STAGES.items():
        if stage == "rebuild":
            sizes = await _sizes(servers, conn)
        wal, began = await conn.fetchval(_WAL), time.perf_counter()
        result = await measure(name, settings, step=step, **arguments[stage])
        result["wal_bytes"] = int(await conn.fetchval(_WAL) - wal)
        result["elapsed"] = time.perf_counter() - began
        stages[stage] = result
    await conn.close()
    await servers.drop_all()
    return GrowthResult(total, stages, sizes)


_WAL = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
_SIZES = """
    SELECT CASE WHEN oid = 'public.crm_events'::regclass THEN 'log'
        WHEN oid::regclass::text = ANY ($1) THEN 'tables' ELSE 'beside the log' END AS kind,
      sum(pg_total_relation_size(oid))::bigint AS bytes
    FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text <> ALL (
      ARRAY['pg_catalog', 'information_schema']) GROUP BY 1
"""


async def _sizes(servers: BenchmarkServers, conn: asyncpg.Connection) -> dict[str, int]:
    """Return kind → bytes on the disk, of the tables with their indexes, and of the topics."""
    await conn.execute("SET search_path = ''")
    names = [f"{table.schema}.{table.name}" for table in LIVE.tables]
    rows = await conn.fetch(_SIZES, names)
    return {row["kind"]: row["bytes"] for row in rows} | {
        "topics": record_bytes(servers.home / "kafka" / "data")
    }
