"""A round of the timers: all contenders in turn, in three situations."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.timers.measuring import CONTENDERS

SLOW = {"runs": 4, "procrastinate": 20, "pgqueuer": 4, "dbos": 40, "awa": 5}
"""Contender → by how much fewer timers are enough for a rate that is as exact."""
REAL_DEAD_ROWS = {"awa": 10}
"""Contender → by how much fewer dead rows it gets, because it makes them by real jobs."""

MeasureContender = Callable[..., Awaitable[dict[str, Any]]]
"""Measure a contender in a new database, with the arguments of `measuring.timers`."""


@dataclass(frozen=True)
class TimerSize:
    """The numbers of timers; a contender that is slower gets fewer of them."""

    timers: int = 20_000
    steady: int = 150
    rate: float = 50.0
    dead_rows: int = 100_000


async def measure_contenders(
    measure: MeasureContender, size: TimerSize, number: int
) -> dict[str, dict[str, Any]]:
    """Measure a round; the order alternates. The first round also kills a backend of each."""
    results: dict[str, dict[str, Any]] = {}
    for name in CONTENDERS if number % 2 == 0 else reversed(CONTENDERS):
        backlog = {"contender": name, "timers": size.timers // SLOW.get(name, 1)}
        steady = {"steady": size.steady, "rate": size.rate}
        held = {"dead_rows": size.dead_rows // REAL_DEAD_ROWS.get(name, 1)}
        results[name] = {
            "free": await measure(**backlog, **steady),
            "held": await measure(**backlog, **steady, **held),
        }
        if not number:
            results[name]["killed"] = await measure(**backlog, kills=True)
    return results
