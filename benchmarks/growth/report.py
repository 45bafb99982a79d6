"""The report of growth: the cost of an event at each size, and in each step of the longest log."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from benchmarks.growth.measuring import STAGES, GrowthResult

MICROSECONDS = 1_000_000


def as_json(results: Sequence[GrowthResult], about: dict[str, Any]) -> dict[str, Any]:
    """Return all results as JSON."""
    return {"about": about, "results": [asdict(result) for result in results]}


def as_markdown(results: Sequence[GrowthResult]) -> str:
    """Return three tables: stages, sizes on the disk, and the curves of the longest log."""
    largest = max(results, key=lambda result: result.events)
    return "\n".join(
        [*_stage_lines(results), "", *_byte_lines(results), "", *_curve_lines(largest)]
    )


def ratios(small: GrowthResult, large: GrowthResult) -> dict[str, float]:
    """Return the ratios of the rates of all stages, and of the projector's peak memory."""
    rates = {f"{stage}: rate": large.rate(stage) / small.rate(stage) for stage in STAGES}
    return rates | {"project: peak memory": large.peak_mib("project") / small.peak_mib("project")}


def _stage_lines(results: Sequence[GrowthResult]) -> list[str]:
    """Return the table of stages. CPU times and WAL are for each event."""
    lines = _header(
        "events", "stage", "events/s", "CPU", "CPU of PostgreSQL", "peak memory", "WAL", "elapsed"
    )
    for result in results:
        for name, stage in result.stages.items():
            point = stage["curve"][-1] if stage.get("curve") else None
            lines.append(_line(
                f"{result.events:,}", name, f"{result.rate(name):,.0f}",
                "" if point is None else _micros(point["cpu_seconds"] / point["events"]),
                "" if point is None else _micros(point["server_seconds"] / point["events"]),
                f"{stage['peak_mib']:.0f} MiB", f"{stage['wal_bytes'] / result.events:,.0f} B",
                f"{stage['elapsed'] / 60:.1f} min",
            ))  # fmt: skip
    return lines


def _byte_lines(results: Sequence[GrowthResult]) -> list[str]:
    kinds = ["log", "beside the log", "tables", "topics"]
    lines = _header("bytes on the disk for each event", *kinds, "together")
    for result in results:
        sizes = [result.bytes.get(kind, 0) for kind in kinds]
        each = [size / result.events for size in (*sizes, sum(sizes))]
        lines.append(_line(f"{result.events:,} events", *(f"{size:,.0f}" for size in each)))
    return lines


def _curve_lines(result: GrowthResult) -> list[str]:
    """Return a line for each step: its rate in each stage, and what an event costs the projector.

    The sizes of the disk are those at the end of the step for each event until then: of the
    database while the log is appended, and of the topics while it is published.
    """
    stages = ("append", "relay", "project", "rebuild")
    lines = _header(
        "events until", *(f"{stage}, events/s" for stage in stages), "CPU of the projector",
        "CPU of PostgreSQL", "memory", "database", "topics",
    )  # fmt: skip
    curves = {stage: _steps(result.stages[stage].get("curve", [])) for stage in stages}
    # The last step may be the few events of the host alone.
    count = min(len(curve) for curve in curves.values())
    for number in range(count):
        at = {stage: curve[number] for stage, curve in curves.items()}
        projected = at["project"]
        lines.append(_line(
            f"{projected['until']:,}", *(f"{at[stage]['rate']:,.0f}" for stage in stages),
            _micros(projected["cpu"]), _micros(projected["server"]),
            f"{projected['resident_mib']:.0f} MiB",
            f"{at['append']['database_bytes'] / at['append']['until']:,.0f} B",
            f"{at['relay']['topic_bytes'] / at['relay']['until']:,.0f} B",
        ))  # fmt: skip
    return lines


def _steps(curve: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what happened between two points, for each event."""
    steps = []
    for before, point in zip([None, *curve[:-1]], curve, strict=True):
        passed = {
            name: point[name] - (0 if before is None else before[name])
            for name in ("events", "seconds", "cpu_seconds", "server_seconds")
        }
        steps.append({
            **point, "until": point["events"], "rate": passed["events"] / passed["seconds"],
            "cpu": passed["cpu_seconds"] / passed["events"],
            "server": passed["server_seconds"] / passed["events"],
        })  # fmt: skip
    return steps


def summary(pairs: Sequence[tuple[GrowthResult, GrowthResult]]) -> dict[str, float]:
    """Return the medians of the ratios of pairs of a small and a large log."""
    all_ratios = [ratios(small, large) for small, large in pairs]
    return {name: round(median(r[name] for r in all_ratios), 2) for name in all_ratios[0]}


def _micros(seconds: float) -> str:
    return f"{seconds * MICROSECONDS:.1f} µs"


def _header(*names: str) -> list[str]:
    return [_line(*names), _line(*("---" for _ in names))]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
