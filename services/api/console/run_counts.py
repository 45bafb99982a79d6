"""Sums of the numbers of runs, for the list of workflows and for the picture of one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.deciders.runs import LIVE, RunStatus

Row = Mapping[str, Any]
FINISHED = (RunStatus.COMPLETED, RunStatus.CONVERTED)


@dataclass(slots=True)
class RunTotals:
    """The runs of a workflow or of a version by state; `at_step` are those that wait there."""

    waiting: int = 0
    finished: int = 0
    stopped: int = 0
    at_step: Counter[int] = field(default_factory=Counter)

    def add(self, count: Row) -> None:
        """Add a count of the API."""
        if count["status"] in LIVE:
            self.waiting += count["runs"]
            self.at_step[count["step"]] += count["runs"]
        elif count["status"] in FINISHED:
            self.finished += count["runs"]
        else:
            self.stopped += count["runs"]

    @property
    def all(self) -> int:
        return self.waiting + self.finished + self.stopped


def sum_runs(counts: Iterable[Row]) -> RunTotals:
    """Return the sums of counts."""
    totals = RunTotals()
    for count in counts:
        totals.add(count)
    return totals


def sum_by(counts: Iterable[Row], name: str) -> dict[Any, RunTotals]:
    """Return the sums by a field of the counts, such as `definitionId` or `version`."""
    found: dict[Any, RunTotals] = {}
    for count in counts:
        found.setdefault(count[name], RunTotals()).add(count)
    return found
