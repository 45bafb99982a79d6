"""A log of the workload beside the empty flat table, and its projection into this table."""

import asyncio
import sys
from functools import cache
from typing import Any
from uuid import UUID

from benchmarks.child import measure
from benchmarks.peers.flat_table import create_table
from benchmarks.peers.row_watch import watch_rows
from benchmarks.servers import BenchmarkServers
from benchmarks.workload import history, insert_host_rows, make_organization
from benchmarks.workload_size import WorkloadSize
from services.local_stack.child_process import spawn, stop
from services.runtime.database import connect
from services.runtime.environment import to_environment
from services.runtime.migrations import migrate

STOP_SECONDS = 30


async def append_log(servers: BenchmarkServers, size: WorkloadSize) -> str:
    """Return a new database with the log, the host's rows and the empty flat table."""
    database = await servers.database()
    await asyncio.to_thread(migrate, servers.url(database))
    await create_table(servers.url(database))
    settings = servers.settings(database, "flat")
    conn = await connect(settings, "bench", role=None)
    await insert_host_rows(conn, make_organization(size.seed, size.properties))
    await conn.close()
    await measure("bulk", settings, seed=size.seed, events=size.events,
                  organization=[size.seed, size.properties])  # fmt: skip
    return database


async def project_log(
    servers: BenchmarkServers, size: WorkloadSize, database: str, prefix: str
) -> dict[str, Any]:
    """Publish the log on a new topic, and measure one projector that fills the flat table.

    The relay leaves dead rows: they are removed first, as PostgreSQL would else do it meanwhile.
    """
    settings = servers.settings(database, prefix)
    await measure("relay", settings, events=size.events + 2 * size.properties + 1)
    await asyncio.to_thread(servers.psql, database, "VACUUM ANALYZE")
    log, last = servers.home / f"{prefix}.log", last_ids(size)
    command = [sys.executable, "-m", "benchmarks.peers.flat_projector"]
    pid = spawn(command, log=log, env=to_environment(settings))
    try:
        return await watch_rows(servers, database, pid, log, last=last)
    finally:
        await asyncio.to_thread(stop, pid, STOP_SECONDS)


@cache
def last_ids(size: WorkloadSize) -> tuple[UUID, ...]:
    """Return the id of the last event of each property: its row becomes visible last."""
    new_events = history(size.seed, make_organization(size.seed, size.properties), size.events)
    last = {new.property_id: new.id for new in new_events}
    return tuple(last.values())
