"""The output of a rebuild: a progress bar for each stage, then a line for each table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from projections.engine.compare import Comparison
from projections.engine.rebuild_result import RebuildResult
from services.runtime.terminal import NOTES, note, print_json, print_rows


@contextmanager
def show_stages() -> Iterator[Any]:
    """Yield a function (stage, done, total) that shows a progress bar on stderr for each stage."""
    columns = (
        TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=NOTES) as bars:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update


def show_result(result: RebuildResult, *, json: bool) -> None:
    """Print a result as JSON, or as a table with the differences."""
    rows = [_row(comparison) for comparison in result.comparisons]
    if json:
        summary = {"events": result.events, "equal": result.equal, "swapped": result.swapped}
        print_json({**summary, "tables": rows})
        return
    print_rows(rows, ["table", "live_rows", "rebuilt_rows", "result"])
    for comparison in result.comparisons:
        for difference in comparison.differences:
            note(f"{comparison.table} {difference}")
    if result.swapped:
        note("the rebuilt tables are live")


def _row(comparison: Comparison) -> dict[str, Any]:
    return {
        "table": comparison.table,
        "live_rows": comparison.live_rows,
        "rebuilt_rows": comparison.rebuilt_rows,
        "result": "live = rebuilt" if comparison.equal else "DIFFERS",
        "differences": [str(difference) for difference in comparison.differences],
    }
