"""`make bench-peers`: append the same events to the core and to other event stores in turn."""

import asyncio
import shutil
import sys
from dataclasses import replace
from statistics import median

from cyclopts import App
from rich.console import Console
from rich.table import Table

from benchmarks.peers.rounds import PeerRun
from benchmarks.servers import BenchmarkServers, run_servers
from benchmarks.workload_size import QUICK, WorkloadSize
from services.runtime.logging import configure_logging

app = App(name="benchmarks.peers", help_format="plaintext")


@app.default
def bench_peers(*, quick: bool = False, rounds: int | None = None) -> None:
    """Measure, and print the rate of each store and its ratio to that of the core.

    Parameters
    ----------
    quick
        Run fewer and smaller rounds.
    rounds
        The number of rounds; by default 5, with `--quick` 3.
    """
    if missing := [program for program in ("node", "npm") if shutil.which(program) is None]:
        sys.exit(f"{' and '.join(missing)} not found: install Node 20 or newer")
    configure_logging("bench", form="console", level="error")
    size = QUICK if quick else WorkloadSize()
    with run_servers() as servers:
        run = asyncio.run(_run(servers, replace(size, rounds=rounds or size.rounds)))
    table = Table(title=f"{size.events:,} events in batches, {run.size.rounds} rounds, medians")
    for column in ("store", "events/s", "core / store"):
        table.add_column(column, justify="left" if column == "store" else "right")
    for name, results in run.results.items():
        ratios = [
            peer["seconds"] / core["seconds"]
            for peer, core in zip(results, run.results["core"], strict=True)
        ]
        rate = median(result["events"] / result["seconds"] for result in results)
        table.add_row(name, f"{rate:,.0f}", f"{median(ratios):.2f}")
    Console(width=100).print(table)


async def _run(servers: BenchmarkServers, size: WorkloadSize) -> PeerRun:
    run = PeerRun(servers, size)
    try:
        await run.run()
    finally:
        await servers.drop_all()
    return run


if __name__ == "__main__":
    app()
