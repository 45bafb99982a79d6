"""Measurement of several projectors on one machine: `python -m benchmarks.scaling`.

The processes share the cores with PostgreSQL and the broker. So the table says what one machine
does with more processes, and not what more machines do. The log is long, because the first
projector works alone until the group of consumers has assigned partitions to the others.
"""

import asyncio
import os
from dataclasses import replace
from statistics import median

from cyclopts import App
from rich.console import Console
from rich.table import Table

from benchmarks import floor
from benchmarks.child import measure
from benchmarks.report import RoundResults
from benchmarks.run import BenchmarkRun
from benchmarks.servers import BenchmarkServers, run_servers
from benchmarks.workload_size import WorkloadSize
from services.runtime.logging import configure_logging

COUNTS = (1, 2, 4)
FLOOR = "floor"
app = App(name="scaling", help_format="plaintext")


@app.default
def scaling(*, events: int = 240_000, properties: int = 200, rounds: int = 2) -> None:
    """Measure 1, 2 and 4 projectors in turn. CRM_BENCH_BROKER=kafka starts an Apache Kafka."""
    configure_logging("bench", form="console", level="error")
    size = replace(WorkloadSize(), events=events, properties=properties, rounds=rounds)
    with run_servers() as servers:
        results = asyncio.run(measure_scaling(servers, size))
        title = (
            f"{events:,} events of {properties} properties, {rounds} rounds, medians; "
            f"{os.cpu_count()} cores, broker: {servers.broker}"
        )
    _show(results, title)


async def measure_scaling(servers: BenchmarkServers, size: WorkloadSize) -> RoundResults:
    """Return the results of the floor and of each number of projectors, each from empty tables."""
    run = BenchmarkRun(servers, size, frozenset({"project"}))
    results = RoundResults({FLOOR: [], **{str(count): [] for count in COUNTS}})
    try:
        await run.prepare()
        for number in range(size.rounds):
            database = await servers.database(run.appended)
            seconds = floor.copy_rows(servers, database, servers.home / "rows")
            results.results[FLOOR].append({"events": run.total_events, "seconds": seconds})
            await servers.drop(database)
            for count in COUNTS if number % 2 == 0 else reversed(COUNTS):
                async with run.relayed_database() as settings:
                    result = await measure(
                        "project", settings, events=run.total_events, projectors=count
                    )
                results.results[str(count)].append(result)
    finally:
        await servers.drop_all()
    return results


def _show(results: RoundResults, title: str) -> None:
    """Print the rates, their ratios to one projector, and those to the floor."""
    table = Table(title=title, title_justify="left")
    for name in ("projectors", "events/s", "in rounds", "to one projector", "to the floor"):
        table.add_column(name, justify="right")
    for name in results.results:
        rates = sorted(results.rates(name))
        table.add_row(
            name, f"{median(rates):,.0f}", f"{rates[0]:,.0f} – {rates[-1]:,.0f}",
            f"{results.ratio(name, '1'):.2f}", f"{results.ratio(name, FLOOR):.2f}",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    app()
