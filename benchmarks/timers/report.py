"""The results of the timers: rates per core, lateness, and what a killed backend lost."""

from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.report_line import ReportLine

OWN = {"bare": "bare queue", "runs": "runs of workflows"}
PYTHON = {"procrastinate": "procrastinate", "pgqueuer": "PgQueuer", "dbos": "DBOS"}
OTHERS = {"floor": "floor: one statement", "awa": "awa (Rust)"}
NAMES = OWN | PYTHON | OTHERS
TARGET = 1.5
"""The least ratio of the bare queue, which does the same work, to the best one of Python."""

Round = dict[str, dict[str, dict[str, float]]]
"""Contender → situation (free, held or killed) → result."""


def timer_lines(rounds: Sequence[Round]) -> list[ReportLine]:
    """Return the lines of the report; each ratio is the median of those of the rounds."""
    if not rounds:
        return []
    return [*_per_core(rounds), *_held(rounds), *_late(rounds), *_killed(rounds)]


def _per_core(rounds: Sequence[Round]) -> list[ReportLine]:
    best = max(PYTHON, key=lambda name: _median(rounds, name, "free", per_core))
    return [
        ReportLine(
            f"timers per CPU second: {what}", f"{_median(rounds, own, 'free', per_core):,.0f}",
            NAMES[name], f"{_median(rounds, name, 'free', per_core):,.0f}",
            median(per_core(r[own]["free"]) / per_core(r[name]["free"]) for r in rounds),
            TARGET if (own, name) == ("bare", best) else None,
        )
        for own, what in OWN.items()
        for name in (*PYTHON, *OTHERS)
    ]  # fmt: skip


def _held(rounds: Sequence[Round]) -> list[ReportLine]:
    """Compare the rate with a held horizon with the one without, for each contender."""
    return [
        ReportLine(
            f"timers with a held horizon: {what}", f"{_median(rounds, name, 'held', rate):,.0f}/s",
            "without", f"{_median(rounds, name, 'free', rate):,.0f}/s",
            median(rate(r[name]["held"]) / rate(r[name]["free"]) for r in rounds),
        )
        for name, what in NAMES.items()
    ]  # fmt: skip


def _late(rounds: Sequence[Round]) -> list[ReportLine]:
    return [
        ReportLine(
            f"p99 lateness: {what}", f"{_median(rounds, name, 'free', lateness):,.0f} ms",
            "with a held horizon", f"{_median(rounds, name, 'held', lateness):,.0f} ms",
        )
        for name, what in NAMES.items()
    ]  # fmt: skip


def _killed(rounds: Sequence[Round]) -> list[ReportLine]:
    """Sum up the timers that have no row, and those that have more than one."""
    report = []
    for name, what in NAMES.items():
        killed = [r[name]["killed"] for r in rounds if "killed" in r[name]]
        lost, twice = (sum(result[key] for result in killed) for key in ("lost", "twice"))
        report.append(ReportLine(
            f"timers with a killed backend: {what}", f"{lost:,.0f} lost", "", f"{twice:,.0f} twice"
        ))  # fmt: skip
    return report


def per_core(result: dict[str, float]) -> float:
    """Return the timers per second of CPU time of the worker."""
    return result["events"] / result["cpu_seconds"]


def rate(result: dict[str, float]) -> float:
    """Return the timers per second."""
    return result["events"] / result["seconds"]


def lateness(result: dict[str, float]) -> float:
    """Return the milliseconds after which 99 of 100 timers were done."""
    return result["late_p99"]


def _median(
    rounds: Sequence[Round], name: str, situation: str, value: Callable[[dict[str, float]], float]
) -> float:
    return median(value(r[name][situation]) for r in rounds)
