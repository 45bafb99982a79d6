"""The output of a rebuild: a progress bar for each stage, then a line for each table."""

from collections.abc import Iterator, Mapping
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
from services.application.changed_rows import describe_comparison
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
    rows = [_row(comparison, result.outdated) for comparison in result.comparisons]
    if json:
        summary = {"events": result.events, "equal": result.is_complete, "swapped": result.swapped}
        standstill = str(result.standstill) if result.standstill else None
        print_json({**summary, "standstill": standstill, "parked": result.parked, "tables": rows})
        return
    print_rows(rows, ["table", "live_rows", "rebuilt_rows", "result"])
    for comparison in result.comparisons:
        if comparison.table in result.outdated:
            continue  # all of its rows are expected to differ
        for row in describe_comparison(comparison):
            note(f"{row['table']} {row['key']}: {row['column']}: {row['old']!r} → {row['new']!r}")
    if result.standstill:
        note(f"{result.standstill}: see `crm status`")
    if result.parked:
        note(
            f"{result.parked} events are parked, so that the rows lack them: see `crm parked list`"
        )
    if result.swapped:
        note("the rebuilt tables are live")


def _row(comparison: Comparison, outdated: Mapping[str, str]) -> dict[str, Any]:
    different = outdated.get(comparison.table, "DIFFERS")
    return {
        "table": comparison.table,
        "live_rows": comparison.live_rows,
        "rebuilt_rows": comparison.rebuilt_rows,
        "result": "live = rebuilt" if comparison.equal else different,
        "differences": describe_comparison(comparison),
    }
