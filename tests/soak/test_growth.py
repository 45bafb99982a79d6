"""A log of a million events projects and rebuilds as fast as one of a tenth, in the same memory."""

import asyncio
from collections.abc import Callable
from statistics import median

import pytest

from benchmarks.growth import LARGE_EVENTS, SMALL_EVENTS, Grown, grow
from benchmarks.servers import serving

LEAST_RATE = 0.9
MOST_MEMORY = 1.25
ROUNDS = 3


@pytest.mark.soak
@pytest.mark.stack
def test_a_million_events_project_as_fast_as_a_hundred_thousand_in_the_same_memory(
    record_property: Callable[[str, object], None],
) -> None:
    small: list[Grown] = []
    large: list[Grown] = []
    for _ in range(ROUNDS):
        for events, found in ((SMALL_EVENTS, small), (LARGE_EVENTS, large)):
            # Servers of its own each time: the embedded broker keeps in memory what it was given.
            with serving() as servers:
                found.append(asyncio.run(grow(servers, events)))
    rates = median(a.rate / b.rate for a, b in zip(large, small, strict=True))
    memory = median(
        a.project["peak_mib"] / b.project["peak_mib"] for a, b in zip(large, small, strict=True)
    )
    said = {
        "rate at 1 M / at 100 k": round(rates, 2),
        "peak of memory at 1 M / at 100 k": round(memory, 2),
        "events/s": [round(one.rate) for one in (*small, *large)],
        "of the floor": [round(one.of_the_floor, 2) for one in (*small, *large)],
        "peak, MiB": [one.project["peak_mib"] for one in (*small, *large)],
        "rebuild, events/s": [
            round(one.events / one.rebuild["seconds"]) for one in (*small, *large)
        ],
        "rebuild peak, MiB": [one.rebuild["peak_mib"] for one in (*small, *large)],
    }
    for name, value in said.items():
        record_property(name, value)
        print(f"{name}: {value}")  # noqa: T201 — what a soak is run for
    assert rates >= LEAST_RATE, said
    assert memory <= MOST_MEMORY, said
