"""The results as medians of rounds: a table, and JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.commit_lines import commit_lines
from benchmarks.console_pages.report import page_lines
from benchmarks.growing_reads import growing_lines
from benchmarks.http.report import http_lines
from benchmarks.idle import idle_lines
from benchmarks.report_line import ReportLine
from benchmarks.timers.report import timer_lines


@dataclass(frozen=True)
class RoundResults:
    """All results: name → one result for each round, in the order of the rounds."""

    results: dict[str, list[dict[str, Any]]]

    def rates(self, name: str) -> list[float]:
        """Return the events per second of each round."""
        return [result["events"] / result["seconds"] for result in self.results.get(name, [])]

    def rate(self, name: str) -> float:
        return median(self.rates(name))

    def ratio(self, name: str, reference: str) -> float:
        """Return the median of the ratios of each round, in which both are measured in turn."""
        pairs = zip(self.rates(name), self.rates(reference), strict=True)
        return median(rate / other for rate, other in pairs)

    def percentile(self, name: str, share: float) -> list[float]:
        return [_percentile(result["milliseconds"], share) for result in self.results.get(name, [])]


RATES = (
    ("append, in bulk", "bulk", "psql's COPY of the same log rows", "log_floor", 0.6),
    ("relay: number and publish", "relay", "append, in bulk", "bulk", None),
    ("project: all cores", "projectors", "floor: psql's COPY of the rows", "floor", 0.6),
    ("project: one projector", "project", "floor: psql's COPY of the rows", "floor", 0.5),
    ("project", "project", "Quix Streams' PostgreSQL sink", "sink", 3.0),
    ("project", "project", "as in a tutorial", "tutorial", 20.0),
    ("rebuild: log → swapped tables", "rebuild", "floor of the same round", "rebuild_floor", 0.8),
    ("rebuild: fold only", "fold", "floor of the same round", "rebuild_floor", None),
)  # fmt: skip
LATENCIES = (("p50", 0.5, 2.0), ("p99", 0.99, 2.0))


def lines(rounds: RoundResults) -> list[ReportLine]:
    """Return a line for each comparison that was measured."""
    report = []
    for what, name, reference, other, target in RATES:
        if not (rounds.results.get(name) and rounds.results.get(other)):
            continue
        if not all(rounds.rates(name)):  # one projector was done before the others had joined
            report.append(ReportLine(what, "too few events", reference, _rate(rounds.rate(other))))
        else:
            ratio = rounds.ratio(name, other)
            value, reference_value = _rate(rounds.rate(name)), _rate(rounds.rate(other))
            report.append(ReportLine(what, value, reference, reference_value, ratio, target))
    if singles := rounds.results.get("single"):
        report.insert(1, ReportLine(
            "append, one commit per event", _rate(rounds.rate("single")), "on sixteen connections",
            _rate(median(single["events"] / single["seconds_on_16"] for single in singles)),
        ))  # fmt: skip
    report += commit_lines(rounds.results)
    for name, share, target in LATENCIES:
        real, bare = rounds.percentile("real", share), rounds.percentile("bare", share)
        if real and bare:
            report.append(ReportLine(
                f"action → visible row, {name}", f"{median(real):.1f} ms", "the bare path",
                f"{median(bare):.1f} ms",
                median(a / b for a, b in zip(real, bare, strict=True)), target, is_maximum=True,
            ))  # fmt: skip
    if rounds.results.get("rare"):
        rare, real = rounds.percentile("rare", 0.5), rounds.percentile("real", 0.5)
        report.append(ReportLine(
            "action → visible row after a pause, p50", f"{median(rare):.1f} ms",
            "without pauses", f"{median(real):.1f} ms",
            median(a / b for a, b in zip(rare, real, strict=True)),
        ))  # fmt: skip
    report += _reads(rounds.results.get("read", []))
    report += growing_lines(rounds.results.get("reads", []))
    report += http_lines(rounds.results.get("http", []))
    report += page_lines(rounds.results.get("pages", []))
    report += idle_lines(rounds.results.get("idle", []))
    report += timer_lines(rounds.results.get("timers", []))
    return report


def _reads(results: list[dict[str, Any]]) -> list[ReportLine]:
    """Return the cost of row level security for reads of one property among many, as medians."""
    return [
        ReportLine(
            f"read, p50: {part}",
            f"{median(result['parts'][part]['member'] for result in results):.1f} ms",
            "without row level security",
            f"{median(result['parts'][part]['worker'] for result in results):.1f} ms",
            median(
                result["parts"][part]["member"] / result["parts"][part]["worker"]
                for result in results
            ),
        )
        for part in (results[0]["parts"] if results else ())
    ]


def as_json(rounds: RoundResults, about: dict[str, Any]) -> dict[str, Any]:
    """Return everything but the single durations, for a JSON file."""
    numbers = {
        name: [_without_durations(result) for result in results]
        for name, results in rounds.results.items()
    }
    return {
        **about,
        "lines": [{**asdict(line), "is_met": line.is_met} for line in lines(rounds)],
        "rounds": numbers,
    }


def _without_durations(result: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_durations(value) if isinstance(value, dict) else value
        for key, value in result.items()
        if key != "milliseconds"
    }


def show(rounds: RoundResults, title: str) -> None:
    """Print the table."""
    table = Table(title=title, title_justify="left")
    for name in ("measured", "", "compared with", "", "ratio", "target"):
        table.add_column(
            name, justify="right" if not name or name in ("ratio", "target") else "left"
        )
    for line in lines(rounds):
        sign = "≤" if line.is_maximum else "≥"
        mark = "✓" if line.is_met else "✗"
        target = "" if line.target is None else f"{sign} {line.target:g} {mark}"
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        table.add_row(line.what, line.value, line.reference, line.reference_value, ratio, target)
    Console(width=120).print(table)


def _rate(events_per_second: float) -> str:
    return f"{events_per_second:,.0f}/s"


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
