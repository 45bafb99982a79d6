"""`make growth`: measure a long log and one of a tenth of its length, with a curve of each."""

import asyncio
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.growth.measuring import GrowthResult, measure_growth
from benchmarks.growth.report import as_json, as_markdown, summary
from benchmarks.servers import run_servers
from services.runtime.logging import configure_logging

EVENTS = 10_000_000
PART = 10
"""The small log has this part of the events of the long one, and so has a step of the curve."""
BYTES_PER_EVENT = 5_000
"""Space on the disk that an event needs while the log is rebuilt, at most."""
app = App(name="benchmarks.growth", help_format="plaintext")


@app.default
def growth(
    *,
    events: int = EVENTS,
    step: int | None = None,
    json_file: Annotated[Path | None, Parameter("--json")] = None,
    markdown: Annotated[Path | None, Parameter("--markdown")] = None,
) -> None:
    """Append, relay, project and rebuild both logs; print the cost of an event as Markdown.

    Parameters
    ----------
    events
        The number of events of the long log.
    step
        The number of events of a step of the curve; by default a tenth.
    json_file
        The file for all results as JSON.
    markdown
        The file for the tables, besides the standard output.
    """
    configure_logging("bench", form="console", level="error")
    os.environ.setdefault("CRM_BENCH_BROKER", "kafka")  # the embedded one keeps all in memory
    needed, free = events * BYTES_PER_EVENT, shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        sys.exit(
            f"{needed / 1e9:.0f} GB are needed in {tempfile.gettempdir()}, "
            f"{free / 1e9:.0f} GB are free: set TMPDIR, or --events"
        )
    began = time.monotonic()
    small = _measure(events // PART, (step or events // PART) // PART)
    minutes = (time.monotonic() - began) / 60
    _print_progress(
        f"{events // PART:,} events took {minutes:.1f} minutes; {PART * minutes:.0f} are left"
    )
    large = _measure(events, step or events // PART)
    about = {"cores": os.cpu_count(), "python": platform.python_version()}
    text = as_markdown([small, large])
    print(text)
    for name, ratio in summary([(small, large)]).items():
        print(f"{name} at {events:,} / at {events // PART:,} events: {ratio}")
    if markdown is not None:
        markdown.write_text(text + "\n", encoding="utf-8")
    if json_file is not None:
        document = as_json([small, large], about)
        json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _measure(events: int, step: int) -> GrowthResult:
    """Measure one log on new servers, whose files are removed at the end."""
    _print_progress(f"{events:,} events")
    with run_servers() as servers:
        return asyncio.run(measure_growth(servers, events, step))


def _print_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    app()
