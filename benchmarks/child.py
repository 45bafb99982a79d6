"""Measurements in their own processes, each with its own heap, event loop and memory peak."""

import asyncio
import importlib
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.workload import make_organization
from services.runtime.environment import to_environment
from services.runtime.logging import configure_logging
from services.runtime.process import loop_factory
from services.runtime.settings import Settings
from services.runtime.tracing import configure_tracing

KIBIBYTES_PER_MEBIBYTE = 1024
MODULES = {
    "bulk": "appending", "single": "appending", "relay": "relaying", "project": "projecting",
    "rebuild": "rebuilding", "tutorial": "tutorial", "sink": "sink", "crowded": "reading",
    "read": "reading", "read_routes": "growing_reads", "real": "latency", "bare": "latency",
    "commands": "committing", "inserts": "committing",
    "eventsourcing": "peers.eventsourcing_store", "timers": "timers.measuring",
    "prepared": "preparing", "http_load": "http.measuring",
    "flat_rebuild": "peers.flat_rebuilding",
}  # fmt: skip
"""Measurement → its module in this package."""

Measurement: TypeAlias = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


async def measure(
    name: str, settings: Settings, *, tree: Path | None = None, **arguments: Any
) -> dict[str, Any]:
    """Run a measurement in a new process; return its result with the peak of memory.

    `tree` is the directory of the code that is measured, by default this one.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.child", name, json.dumps(arguments),
        stdout=asyncio.subprocess.PIPE, cwd=tree,
        env={**os.environ, **to_environment(settings)},
    )  # fmt: skip
    out, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"the measurement {name} failed with exit code {child.returncode}")
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


@asynccontextmanager
async def run_process(module: str, settings: Settings) -> AsyncIterator[None]:
    """Run a process of the core for the duration of a block."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env={**os.environ, **to_environment(settings)}
    )
    try:
        yield
    finally:
        child.terminate()
        await child.wait()


def _load_measurement(name: str) -> Measurement:
    """Return the function of a measurement; import only its module."""
    module = importlib.import_module(f"benchmarks.{MODULES[name]}")
    function: Measurement = getattr(module, name)
    return function


def main() -> None:
    """Run the measurement that the arguments name; print its result as JSON."""
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    configure_logging("bench", form="console", level="error")
    configure_tracing("bench")
    if "organization" in arguments:
        seed, properties = arguments.pop("organization")
        arguments["organization"] = make_organization(seed, properties)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        result = runner.run(_load_measurement(name)(Settings(), **arguments))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES_PER_MEBIBYTE
    print(json.dumps({**result, "peak_mib": round(peak, 1)}))


if __name__ == "__main__":
    main()
