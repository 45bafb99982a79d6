"""The lines of the HTTP measurement in the report."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from benchmarks.http.measuring import CONNECTIONS
from benchmarks.report_line import ReportLine

NAMES = {
    "score": "GET score", "list": "GET lead list", "timeline": "GET timeline",
    "event": "POST engagement", "chat": "POST chat turn",
}  # fmt: skip
RATE_TARGET, P99_TARGET = 0.5, 3.0

Result = dict[str, Any]
Round = dict[str, dict[str, Result]]
"""`job connections` → server → result of the load."""


def http_lines(rounds: Sequence[Round]) -> list[ReportLine]:
    """Return the lines of the report; each ratio is the median of those of the rounds."""
    lines = []
    for job, name in NAMES.items() if rounds else ():
        for connections in CONNECTIONS:
            results = [round_[f"{job} {connections}"] for round_ in rounds]
            what = f"{name}, {connections} conn."
            lines += [
                _line(f"{what}: rate", results, _rate, "{:,.0f}/s", RATE_TARGET),
                _line(f"{what}: per core", results, _per_core, "{:,.0f}/s"),
                _line(f"{what}: p50", results, lambda r: _percentile(r, 0.5), "{:.1f} ms"),
                _line(f"{what}: p99", results, lambda r: _percentile(r, 0.99), "{:.1f} ms",
                      P99_TARGET, is_maximum=True),
            ]  # fmt: skip
    return lines


def _line(
    what: str,
    results: Sequence[dict[str, Result]],
    value: Callable[[Result], float],
    form: str,
    target: float | None = None,
    *,
    is_maximum: bool = False,
) -> ReportLine:
    pairs = [(value(result["core"]), value(result["bare"])) for result in results]
    core, bare = (median(pair[index] for pair in pairs) for index in (0, 1))
    ratio = median(one / other for one, other in pairs)
    return ReportLine(
        what, form.format(core), "bare handler", form.format(bare), ratio, target,
        is_maximum=is_maximum,
    )  # fmt: skip


def _rate(result: Result) -> float:
    return len(result["milliseconds"]) / float(result["seconds"])


def _per_core(result: Result) -> float:
    """Return the requests per second of CPU time of the server."""
    return len(result["milliseconds"]) / max(float(result["cpu_seconds"]), 0.01)


def _percentile(result: Result, share: float) -> float:
    values = sorted(result["milliseconds"])
    return float(values[min(len(values) - 1, int(len(values) * share))])
