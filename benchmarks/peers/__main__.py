"""`make bench-peers`: give the same work to the core and to others in turn; compare the rates."""

import asyncio
import os
import shutil
import sys
from dataclasses import replace
from statistics import median
from typing import Annotated, Any, Literal, get_args

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from benchmarks.peers.flat_rounds import FlatRun
from benchmarks.peers.rebuild_rounds import RebuildRun
from benchmarks.peers.rounds import PeerRun
from benchmarks.servers import BenchmarkServers, run_servers
from benchmarks.workload_size import QUICK, WorkloadSize
from services.runtime.logging import configure_logging

Part = Literal["append", "project", "rebuild"]
PARTS: tuple[Part, ...] = get_args(Part)
app = App(name="benchmarks.peers", help_format="plaintext")
RUNS: dict[str, type[PeerRun] | type[FlatRun] | type[RebuildRun]] = {
    "append": PeerRun,
    "project": FlatRun,
    "rebuild": RebuildRun,
}
PROGRAMS = {
    "append": ("node", "npm"), "project": ("java", "mvn"), "rebuild": ("node", "npm"),
}  # fmt: skip
"""Measurement → the programs that its peers need."""


@app.default
def bench_peers(
    *,
    quick: bool = False,
    rounds: int | None = None,
    events: int | None = None,
    only: Annotated[tuple[Part, ...], Parameter(consume_multiple=True)] = PARTS,
) -> None:
    """Measure, and print the rate of each contender and its ratio to that of the core.

    Parameters
    ----------
    quick
        Run fewer and smaller rounds.
    rounds
        The number of rounds; by default 5, with `--quick` 3.
    events
        The number of events; by default 60,000, with `--quick` 20,000.
    only
        The measurements; by default all. Java 17 or newer and Maven are needed to project, Node
        20 or newer and npm for the others.
    """
    needed = {program for name in only for program in PROGRAMS[name]}
    if missing := sorted(program for program in needed if shutil.which(program) is None):
        sys.exit(
            f"{', '.join(missing)} not found: install them, or leave out measurements (--only)"
        )
    if "project" in only:
        os.environ.setdefault("CRM_BENCH_BROKER", "kafka")
    configure_logging("bench", form="console", level="error")
    size = QUICK if quick else WorkloadSize()
    size = replace(size, rounds=rounds or size.rounds, events=events or size.events)
    with run_servers() as servers:
        for name in dict.fromkeys(only):
            results = asyncio.run(_run(name, servers, size))
            _print(f"{name}: {size.events:,} events, {size.rounds} rounds, medians", results)


async def _run(
    name: str, servers: BenchmarkServers, size: WorkloadSize
) -> dict[str, list[dict[str, Any]]]:
    run = RUNS[name](servers, size)
    try:
        await run.run()
    finally:
        await servers.drop_all()
    return run.results


def _print(title: str, results: dict[str, list[dict[str, Any]]]) -> None:
    """Print medians. The ratio is that of the rates in the same round."""
    table = Table(title=title)
    for column in ("contender", "events/s", "core / contender", "in rounds", "CPU", "PostgreSQL"):
        table.add_column(column, justify="left" if column == "contender" else "right")
    for name, rounds in results.items():
        rates = [_rate(result) for result in rounds]
        ratios = [_rate(core) / rate for core, rate in zip(results["core"], rates, strict=True)]
        table.add_row(
            name, f"{median(rates):,.0f}", f"{median(ratios):.2f}",
            f"{min(ratios):.2f} – {max(ratios):.2f}",
            _per_event(rounds, "cpu_seconds"), _per_event(rounds, "server_seconds"),
        )  # fmt: skip
    Console(width=120).print(table)


def _rate(result: dict[str, Any]) -> float:
    return float(result["events"] / result["seconds"])


def _per_event(rounds: list[dict[str, Any]], seconds: str) -> str:
    """Return the median of the microseconds for each event, if all rounds have these seconds."""
    if not all(seconds in result for result in rounds):
        return ""
    return f"{median(result[seconds] / result['events'] for result in rounds) * 1e6:.1f} µs"


if __name__ == "__main__":
    app()
