"""What a rebuild or a verification shows on a terminal: a bar a stage, then a table of tables."""

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
from projections.engine.outcome import Outcome
from services.runtime.terminal import NOTES, note, print_json, print_rows


@contextmanager
def stages() -> Iterator[Any]:
    """A bar per stage, on stderr; its speed and time left come from the library."""
    columns = (
        TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=NOTES) as bars:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, whole: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=whole)
            bars.update(tasks[stage], completed=done, total=whole)

        yield tell


def report(outcome: Outcome, *, json: bool) -> None:
    rows = [_row(comparison) for comparison in outcome.comparisons]
    if json:
        said = {"events": outcome.events, "equal": outcome.equal, "swapped": outcome.swapped}
        print_json({**said, "tables": rows})
        return
    print_rows(rows, ["table", "live_rows", "rebuilt_rows", "result"])
    for comparison in outcome.comparisons:
        for difference in comparison.differences:
            note(f"{comparison.table} {difference}")
    if outcome.swapped:
        note("the rebuilt tables are live")


def _row(comparison: Comparison) -> dict[str, Any]:
    return {
        "table": comparison.table,
        "live_rows": comparison.live_rows,
        "rebuilt_rows": comparison.rebuilt_rows,
        "result": "live = rebuilt" if comparison.equal else "DIFFERS",
        "differences": [str(difference) for difference in comparison.differences],
    }
