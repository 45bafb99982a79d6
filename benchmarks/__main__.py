"""`make bench`: starts its own servers, measures in alternating rounds, prints ratios."""

import asyncio
import json
import os
import platform
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from benchmarks.report import Rounds, as_json, show
from benchmarks.run import QUICK, Run, Size
from benchmarks.servers import Servers, serving
from services.runtime.logging import configure_logging

Part = Literal["append", "project", "rebuild", "latency", "read"]
app = App(name="benchmarks", help_format="plaintext")


@app.default
def bench(
    *,
    quick: bool = False,
    rounds: int | None = None,
    only: Annotated[tuple[Part, ...], Parameter(consume_multiple=True)] = (),
    json_file: Annotated[Path | None, Parameter("--json")] = None,
) -> None:
    """Measure, print a table of ratios, and write everything as JSON where asked to.

    Parameters
    ----------
    quick
        Fewer and smaller rounds: minutes become one or two.
    rounds
        How many rounds, instead of 5 (3 when quick).
    only
        Some parts only.
    json_file
        Where to write the JSON; - is the standard output.
    """
    configure_logging("bench", form="console", level="error")
    size = QUICK if quick else Size()
    if rounds is not None:
        size = Size(**{**vars(size), "rounds": rounds})
    with serving() as servers:
        found = asyncio.run(_run(servers, size, frozenset(only)))
        about = {
            "broker": servers.broker,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "size": vars(size),
        }
    title = (
        f"{size.events:,} events of {size.properties} properties, {size.rounds} rounds, medians; "
        f"{about['cores']} cores, broker: {about['broker']}"
    )
    if quick:
        title += "; aims are meant for the full sizes"
    show(found, title)
    if json_file is not None:
        text = json.dumps(as_json(found, about), indent=2)
        if str(json_file) == "-":
            print(text)
        else:
            json_file.write_text(text + "\n", encoding="utf-8")


async def _run(servers: Servers, size: Size, only: frozenset[str]) -> Rounds:
    run = Run(servers, size, only)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("preparing", total=None)
        try:
            await run.prepare()
            progress.remove_task(task)
            await run.rounds(progress)
        finally:
            await servers.drop_all()
    return Rounds(run.found)


if __name__ == "__main__":
    app()
