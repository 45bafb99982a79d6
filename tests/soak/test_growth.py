"""A million events are projected and rebuilt as fast as a tenth of them, in the same memory."""

import asyncio
import os
from collections.abc import Callable

import pytest

from benchmarks.growth.measuring import STAGES, GrowthResult, measure_growth
from benchmarks.growth.report import summary
from benchmarks.servers import run_servers

LARGE_EVENTS = int(os.environ.get("CRM_GROWTH_EVENTS", "1_000_000"))
SMALL_EVENTS = LARGE_EVENTS // 10
MIN_RATE_RATIO = 0.9
MAX_MEMORY_RATIO = 1.25
ROUNDS = int(os.environ.get("CRM_GROWTH_ROUNDS", "3"))


@pytest.mark.soak
@pytest.mark.stack
def test_a_million_events_are_projected_as_fast_as_a_hundred_thousand_in_the_same_memory(
    record_property: Callable[[str, object], None],
) -> None:
    pairs: list[tuple[GrowthResult, GrowthResult]] = []
    for _ in range(ROUNDS):
        results = []
        for events in (SMALL_EVENTS, LARGE_EVENTS):
            # New servers each time: the embedded broker keeps all its records in memory.
            with run_servers() as servers:
                results.append(asyncio.run(measure_growth(servers, events)))
        pairs.append((results[0], results[1]))
    ratios = summary(pairs)
    report: dict[str, object] = {**ratios}
    for stage in STAGES:
        both = [result for pair in pairs for result in pair]
        report[f"{stage}: events/s"] = [round(result.rate(stage)) for result in both]
        report[f"{stage}: peak, MiB"] = [result.peak_mib(stage) for result in both]
    for name, value in report.items():
        record_property(name, value)
        print(f"{name}: {value}")  # noqa: T201 — the output of the soak test
    assert ratios["project: rate"] >= MIN_RATE_RATIO, report
    assert ratios["project: peak memory"] <= MAX_MEMORY_RATIO, report
