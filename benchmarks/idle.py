"""Measurement of a stack that does nothing: the CPU time of each of its processes.

The stack is that of `crm up`, with its own servers unless the environment names others.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.report_line import ReportLine

SETTLE_SECONDS = 10.0
"""Time between the start of the stack and the measurement: what a start costs is over then."""
STARTED = b"Ctrl-C"
"""The last line that `crm up` prints at its start contains this."""
STACK, BROKER, SERVERS = "crm up", "broker", ("broker", "postgres")
TARGET_PERCENT = 3.0
"""The most percent of a core that all processes of the core may use together."""


async def measure_idle(seconds: float, tree: Path | None = None) -> dict[str, Any]:
    """Return process → percent of a core of an idle stack, on average of `seconds`.

    `tree` is the directory of the code that is measured, by default this one.
    """
    with tempfile.TemporaryDirectory(prefix="crm-idle-") as home:
        async with _run_stack(Path(home), tree) as stack:
            await asyncio.sleep(SETTLE_SECONDS)
            before = _cpu_seconds(stack)
            await asyncio.sleep(seconds)
            after = _cpu_seconds(stack)
    names = {name: 0.0 for name, _ in before}
    for key in before.keys() & after.keys():
        names[key[0]] += 100 * (after[key] - before[key]) / seconds
    return {"seconds": seconds, "percent": names}


@asynccontextmanager
async def _run_stack(home: Path, tree: Path | None) -> AsyncIterator[psutil.Process]:
    """Run `crm up` for the duration of a block, on free ports."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "up", "--http-port", "0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, cwd=tree,
        env={**os.environ, "CRM_HOME": str(home)},
    )  # fmt: skip
    assert child.stdout is not None
    try:
        async for line in child.stdout:
            if STARTED in line:
                break
        else:
            raise RuntimeError(f"`crm up` ended with exit code {await child.wait()}")
        yield psutil.Process(child.pid)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


def _cpu_seconds(stack: psutil.Process) -> dict[tuple[str, int], float]:
    """Return (name, process id) → CPU time until now, for `crm up` and what it has started."""
    times = {(STACK, stack.pid): _own_seconds(stack)}
    for child in stack.children(recursive=True):
        times[(_name(child), child.pid)] = _own_seconds(child)
    return times


def _own_seconds(process: psutil.Process) -> float:
    user, system, *_ = process.cpu_times()
    return float(user + system)


def _name(process: psutil.Process) -> str:
    """Return the name of a process of the core, or of the server to which a process belongs."""
    command = process.cmdline()
    module = next((word for word in command if word.startswith("services.")), None)
    if module is not None:
        return module.removeprefix("services.")
    return BROKER if process.name() not in SERVERS else process.name()


def core_percent(result: dict[str, Any]) -> float:
    """Return the percent of a core of all processes of the core, the servers apart."""
    percent: dict[str, float] = result["percent"]
    return sum(value for name, value in percent.items() if name not in SERVERS)


def idle_lines(rounds: list[dict[str, Any]]) -> list[ReportLine]:
    """Return the lines of the report, as medians of the rounds."""
    if not rounds:
        return []
    names = sorted({name for result in rounds for name in result["percent"]})
    total = median(map(core_percent, rounds))
    return [
        ReportLine(
            "idle: all processes of the core", f"{total:.2f} %", "percent of one core", "",
            total, TARGET_PERCENT, is_maximum=True,
        ),
        *(
            ReportLine(
                f"idle: {name}", f"{_percent(rounds, name):.2f} %",
                "not of the core" if name in SERVERS else "", "",
            )
            for name in names
        ),
    ]  # fmt: skip


def _percent(rounds: list[dict[str, Any]], name: str) -> float:
    return median(float(result["percent"].get(name, 0.0)) for result in rounds)
