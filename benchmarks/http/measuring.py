"""A round of the HTTP measurement: both servers do the same jobs, one after the other."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import psutil
from pydantic import SecretStr

from benchmarks.child import measure
from benchmarks.http import bare_queries
from benchmarks.http.jobs import JOBS, READS, Target
from benchmarks.http.load import HOST, load_job
from events.log.connection import Connection
from services.local_stack.ports import free_port
from services.runtime.database import connect
from services.runtime.environment import to_environment
from services.runtime.settings import Settings

SECRET = "the secret of the tokens of the HTTP measurement"
NO_LIMIT = "100000000/minute"
CONNECTIONS = (1, 16)
WARM_UP = 3
"""Warm-up requests of each connection, so that pools are full and statements are prepared."""
START_SECONDS = 60.0
SERVERS = {"core": "services.api", "bare": "benchmarks.http.bare"}
"""Server → the module that runs it."""


@dataclass(frozen=True)
class HttpSize:
    """The number of requests of one job on one number of connections, and of server processes.

    By default, there is one process per core.
    """

    reads: int = 2_000
    writes: int = 1_000
    processes: int | None = None


async def measure_round(
    settings: Settings, target: Target, size: HttpSize, number: int
) -> dict[str, dict[str, Any]]:
    """Return `job connections` → server → result. The order of the servers alternates.

    Raise `RuntimeError` if a server did not write the rows of the requests.
    """
    settings = settings.model_copy(update={
        "jwt_secret": SecretStr(SECRET), "api_processes": size.processes,
        **dict.fromkeys(("limit_address", "limit_visitor", "limit_key"), NO_LIMIT),
    })  # fmt: skip
    results: dict[str, dict[str, Any]] = {}
    owner = await connect(settings, "bench http", role=None)
    await owner.execute(bare_queries.CREATE)
    before = await _read_counts(owner)
    async with AsyncExitStack() as stack:
        servers = [
            (name, *await stack.enter_async_context(run_server(module, settings)))
            for name, module in SERVERS.items()
        ]
        pairs = [(job, connections) for job in JOBS for connections in CONNECTIONS]
        for turn, (job, connections) in enumerate(pairs):
            count = size.reads if job in READS else size.writes
            for name, port, pid in servers if (turn + number) % 2 else reversed(servers):
                result = await measure(
                    "http_load", settings, port=port, pid=pid, job=job, target=_as_json(target),
                    connections=connections, count=count, part=f"{turn} {number}",
                )  # fmt: skip
                results.setdefault(f"{job} {connections}", {})[name] = result
    _require_equal_rows(before, await _read_counts(owner))
    await owner.close()
    return results


async def http_load(
    _settings: Settings,
    target: dict[str, Any],
    port: int,
    pid: int,
    job: str,
    connections: int,
    count: int,
    part: str,
) -> dict[str, Any]:
    """Send requests from this process, after some to warm up; return seconds and milliseconds."""
    ids = {key: UUID(target[key]) for key in ("property_id", "member")}
    leads = tuple(UUID(lead) for lead in target["leads"])
    load = partial(
        load_job, port, job, connections=connections,
        target=Target(leads=leads, widget_key=target["widget_key"], secret=SECRET, **ids),
    )  # fmt: skip
    await load(count=WARM_UP * connections, part=f"warm {part}")
    started = cpu_seconds(pid)
    result = await load(count=count, part=part)
    return {**result, "cpu_seconds": cpu_seconds(pid) - started}


def _as_json(target: Target) -> dict[str, Any]:
    return {
        "property_id": str(target.property_id), "member": str(target.member),
        "leads": [str(lead) for lead in target.leads], "widget_key": target.widget_key,
    }  # fmt: skip


@asynccontextmanager
async def run_server(module: str, settings: Settings) -> AsyncIterator[tuple[int, int]]:
    """Run a server; yield its port and its process id when it answers."""
    port = free_port()
    variables = to_environment(settings.model_copy(update={"http_port": port}))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env={**os.environ, **variables}
    )
    try:
        await _wait_until_open(port)
        yield port, child.pid
    finally:
        child.terminate()
        await child.wait()


async def _wait_until_open(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a server and of its worker processes."""
    process = psutil.Process(pid)
    times = [part.cpu_times() for part in (process, *process.children(recursive=True))]
    return sum(part.user + part.system for part in times)


async def _read_counts(conn: Connection) -> dict[str, dict[tuple[Any, ...], int]]:
    """Return server → (event type, lead) → number of rows of the written events."""
    counts = {}
    for name, table in (("core", "crm_events"), ("bare", bare_queries.TABLE)):
        rows = await conn.fetch(
            f"SELECT event_type, lead_id, count(*) FROM {table} WHERE event_type = ANY($1) "
            "GROUP BY 1, 2",
            ["engagement.recorded", "conversation.message_received", "conversation.replied"],
        )
        counts[name] = {(row[0], row[1]): row[2] for row in rows}
    return counts


def _require_equal_rows(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Raise `RuntimeError` unless both servers have written the same numbers of rows."""
    written = {
        name: {key: n - before[name].get(key, 0) for key, n in after[name].items()}
        for name in after
    }
    core, bare = ({key: n for key, n in written[name].items() if n} for name in ("core", "bare"))
    if core != bare:
        raise RuntimeError(f"the servers wrote different rows: {core} and {bare}")
