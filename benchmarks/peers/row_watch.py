"""The watch of a table that another process fills: its rows, seconds and CPU time."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil

from benchmarks.servers import BenchmarkServers
from services.local_stack.child_process import has_ended, last_lines

POLL_SECONDS = 0.02
WAIT_SECONDS = 600.0


async def watch_rows(
    servers: BenchmarkServers, database: str, pid: int, log: Path, *, last: Sequence[UUID]
) -> dict[str, Any]:
    """Return the rows and the seconds from the first visible rows of the flat table to the last.

    `last` are the ids of the last row of each property: to count all rows again and again would
    take much of the time. The first rows do not count, as their time is not known. `cpu_seconds` is
    the CPU time of the process and its children, `server_seconds` that of PostgreSQL. Raise
    `RuntimeError` with the end of its log if the process ends before it has written all rows, or is
    too slow.
    """
    # A plan that was made for the first rows would read the whole table each time.
    options = {"enable_seqscan": "off"}
    conn = await asyncpg.connect(servers.url(database), server_settings=options)
    deadline = time.perf_counter() + WAIT_SECONDS
    first, before = 0, (0.0, 0.0, 0.0)
    while first == 0 or await conn.fetchval(_VISIBLE, last) < len(last):
        if has_ended(pid) or time.perf_counter() > deadline:
            count = await conn.fetchval(_COUNT)
            raise RuntimeError(f"{count} rows, then nothing; the log:\n{last_lines(log)}")
        await asyncio.sleep(POLL_SECONDS)
        if first == 0 and (first := await conn.fetchval(_COUNT)):
            before = _times(servers, pid)
    seconds, cpu_seconds, server_seconds = (
        after - start for start, after in zip(before, _times(servers, pid), strict=True)
    )
    count = await conn.fetchval(_COUNT)
    await conn.close()
    return {"events": count - first, "seconds": seconds, "cpu_seconds": cpu_seconds,
            "server_seconds": server_seconds}  # fmt: skip


_COUNT = "SELECT count(*) FROM flat_events"
_VISIBLE = "SELECT count(*) FROM flat_events WHERE id = ANY($1::uuid[])"


def _times(servers: BenchmarkServers, pid: int) -> tuple[float, float, float]:
    process = psutil.Process(pid)
    used = [member.cpu_times() for member in (process, *process.children(recursive=True))]
    cpu_seconds = float(sum(times.user + times.system for times in used))
    return time.perf_counter(), cpu_seconds, servers.cpu_seconds()
