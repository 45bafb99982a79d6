"""The curve of a measurement has a point after each step, and its report the cost between two."""

from pathlib import Path

import pytest

from benchmarks.growth.curve import Curve
from benchmarks.growth.measuring import GrowthResult
from benchmarks.growth.report import as_markdown, ratios

POINT = {"resident_mib": 200.0, "database_bytes": 4_000, "topic_bytes": 8_000}


def test_a_curve_has_one_point_for_each_step_and_one_at_the_end(tmp_path: Path) -> None:
    curve = Curve("append", events=250, step=100, home=tmp_path)
    curve.begin()
    for events in (60, 130, 170, 190, 220, 249, 250, 250):
        curve.add_without_sizes(events)
    assert [point.events for point in curve.points] == [130, 220, 250]


def test_a_measurement_without_steps_has_no_curve(tmp_path: Path) -> None:
    curve = Curve("append", events=250, step=0, home=tmp_path)
    curve.begin()
    curve.add_without_sizes(250)
    assert curve.result() == {}


def test_a_line_of_the_curve_has_the_rate_and_the_costs_since_the_line_before() -> None:
    last_line = as_markdown([_result(200, seconds=4.0)]).splitlines()[-1]
    cells = [cell.strip() for cell in last_line.strip("|").split("|")]
    # The second hundred events took 3 s instead of 1 s; they cost as much CPU time as the first.
    assert cells[:5] == ["200", "33", "33", "33", "33"]
    assert cells[5:] == ["5000.0 µs", "2500.0 µs", "200 MiB", "20 B", "40 B"]


def test_growth_is_the_ratio_of_the_rates() -> None:
    assert ratios(_result(100, seconds=1.0), _result(200, seconds=4.0))["project: rate"] == (
        pytest.approx(0.5)
    )


def _result(events: int, seconds: float) -> GrowthResult:
    points = [(events // 2, 1.0, 0.5, 0.25), (events, seconds, 1.0, 0.5)]
    names = ("events", "seconds", "cpu_seconds", "server_seconds")
    curve = [{**POINT, **dict(zip(names, point, strict=True))} for point in points]
    stage = {
        "events": events, "seconds": seconds, "peak_mib": 200.0, "wal_bytes": 1_000,
        "elapsed": 60.0, "curve": curve,
    }  # fmt: skip
    stages = dict.fromkeys(("append", "relay", "project", "rebuild"), stage)
    return GrowthResult(events, stages, {"log": 1_000, "tables": 500})
