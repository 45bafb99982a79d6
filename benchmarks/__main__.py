"""`make bench`: start servers, measure in alternating rounds, print ratios."""

import asyncio
import json
import os
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from benchmarks import trees
from benchmarks.picture import write_picture
from benchmarks.report import RoundResults, as_json, lines, show
from benchmarks.run import BenchmarkRun
from benchmarks.servers import BenchmarkServers, run_servers
from benchmarks.workload_size import QUICK, WorkloadSize
from services.runtime.logging import configure_logging

Part = Literal[
    "append", "project", "rebuild", "latency", "read", "reads", "timers", "http", "idle", "pages"
]
TREE = Path(__file__).resolve().parents[1]
app = App(name="benchmarks", help_format="plaintext")


@app.default
def bench(
    *,
    quick: bool = False,
    rounds: int | None = None,
    only: Annotated[tuple[Part, ...], Parameter(consume_multiple=True)] = (),
    against: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = (),
    json_file: Annotated[Path | None, Parameter("--json")] = None,
    svg: Path | None = None,
) -> None:
    """Measure, print a table of ratios, and with `--json` write all results as JSON.

    Parameters
    ----------
    quick
        Run fewer and smaller rounds, in one or two minutes.
    rounds
        The number of rounds; by default 5, with `--quick` 3.
    only
        Run only these parts.
    against
        Directories of other trees: measure append, project, rebuild, latency, idle of all in turn.
    json_file
        The file for the JSON; - is the standard output.
    svg
        The file for a picture of the ratios that have a target.
    """
    configure_logging("bench", form="console", level="error")
    size = QUICK if quick else WorkloadSize()
    if rounds is not None:
        size = replace(size, rounds=rounds)
    with run_servers() as servers:
        if against:
            asyncio.run(_compare(servers, size, frozenset(only), against))
            return
        results = asyncio.run(_run(servers, size, frozenset(only)))
        about = {
            "broker": servers.broker,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "size": asdict(size),
        }
    title = (
        f"{size.events:,} events of {size.properties} properties, {size.rounds} rounds, medians; "
        f"{about['cores']} cores, broker: {about['broker']}"
    )
    if quick:
        title += "; the targets hold for the full sizes"
    show(results, title)
    if svg is not None:
        write_picture(lines(results), title, svg)
    if json_file is not None:
        text = json.dumps(as_json(results, about), indent=2)
        if str(json_file) == "-":
            print(text)
        else:
            json_file.write_text(text + "\n", encoding="utf-8")


async def _compare(
    servers: BenchmarkServers, size: WorkloadSize, only: frozenset[str], others: tuple[Path, ...]
) -> None:
    paths = [TREE, *(path.resolve() for path in others)]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        try:
            own, *rest = await trees.compare(servers, size, only, paths, progress)
        finally:
            await servers.drop_all()
    compared = dict(zip(map(str, others), rest, strict=True))
    trees.show(
        own, compared, f"{size.events:,} events, {size.rounds} rounds: seconds, latency in ms"
    )


async def _run(servers: BenchmarkServers, size: WorkloadSize, only: frozenset[str]) -> RoundResults:
    run = BenchmarkRun(servers, size, only)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("preparing", total=None)
        try:
            await run.prepare()
            progress.remove_task(task)
            await run.rounds(progress)
        finally:
            await servers.drop_all()
    return RoundResults(run.results)


if __name__ == "__main__":
    app()
