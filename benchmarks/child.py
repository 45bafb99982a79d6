"""Each measurement in a process of its own, with a heap, an event loop and a peak of its own."""

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.workload import place
from services.runtime.logging import configure_logging
from services.runtime.process import loop_factory
from services.runtime.settings import Settings, as_environment

KIBIBYTES_PER_MEBIBYTE = 1024


async def measure(piece: str, settings: Settings, **arguments: Any) -> dict[str, Any]:
    """Run a piece in a new process; what it returns, with its peak of memory."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.child", piece, json.dumps(arguments),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **as_environment(settings)},
    )  # fmt: skip
    out, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"{piece} failed: exit code {child.returncode}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


@asynccontextmanager
async def process(module: str, settings: Settings) -> AsyncIterator[None]:
    """One of the product's own processes, for the length of a block."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env={**os.environ, **as_environment(settings)}
    )
    try:
        yield
    finally:
        child.terminate()
        await child.wait()


def _piece(name: str) -> Callable[..., Awaitable[dict[str, Any]]]:
    """The measuring function; only what it needs is imported."""
    match name:
        case "bulk" | "single":
            from benchmarks import appending as module
        case "relay":
            from benchmarks import relaying as module
        case "project":
            from benchmarks import projecting as module
        case "rebuild":
            from benchmarks import rebuilding as module
        case "tutorial":
            from benchmarks import tutorial as module
        case "sink":
            from benchmarks import sink as module
        case "crowded" | "read":
            from benchmarks import reading as module
        case "real" | "bare":
            from benchmarks import latency as module
        case _:
            raise LookupError(name)
    found: Callable[..., Awaitable[dict[str, Any]]] = getattr(module, name)
    return found


def main() -> None:
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    configure_logging("bench", form="console", level="error")
    if "place" in arguments:
        seed, properties = arguments.pop("place")
        arguments["where"] = place(seed, properties)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        found = runner.run(_piece(name)(Settings(), **arguments))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES_PER_MEBIBYTE
    print(json.dumps({**found, "peak_mib": round(peak, 1)}))


if __name__ == "__main__":
    main()
