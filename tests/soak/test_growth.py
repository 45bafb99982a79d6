"""A million events are projected and rebuilt as fast as a tenth of them, in the same memory."""

import asyncio
from collections.abc import Callable
from statistics import median

import pytest

from benchmarks.growth import LARGE_EVENTS, SMALL_EVENTS, GrowthResult, measure_growth
from benchmarks.servers import run_servers

MIN_RATE_RATIO = 0.9
MAX_MEMORY_RATIO = 1.25
ROUNDS = 3


@pytest.mark.soak
@pytest.mark.stack
def test_a_million_events_are_projected_as_fast_as_a_hundred_thousand_in_the_same_memory(
    record_property: Callable[[str, object], None],
) -> None:
    small: list[GrowthResult] = []
    large: list[GrowthResult] = []
    for _ in range(ROUNDS):
        for events, results in ((SMALL_EVENTS, small), (LARGE_EVENTS, large)):
            # New servers each time: the embedded broker keeps all its records in memory.
            with run_servers() as servers:
                results.append(asyncio.run(measure_growth(servers, events)))
    rates = median(a.rate / b.rate for a, b in zip(large, small, strict=True))
    memory = median(
        a.project["peak_mib"] / b.project["peak_mib"] for a, b in zip(large, small, strict=True)
    )
    report = {
        "rate at 1 M / at 100 k": round(rates, 2),
        "peak memory at 1 M / at 100 k": round(memory, 2),
        "events/s": [round(result.rate) for result in (*small, *large)],
        "floor ratio": [round(result.floor_ratio, 2) for result in (*small, *large)],
        "peak, MiB": [result.project["peak_mib"] for result in (*small, *large)],
        "rebuild, events/s": [
            round(result.events / result.rebuild["seconds"]) for result in (*small, *large)
        ],
        "rebuild peak, MiB": [result.rebuild["peak_mib"] for result in (*small, *large)],
    }
    for name, value in report.items():
        record_property(name, value)
        print(f"{name}: {value}")  # noqa: T201 — the output of the soak test
    assert rates >= MIN_RATE_RATIO, report
    assert memory <= MAX_MEMORY_RATIO, report
