"""Measurement of growth: the speed and the memory for a log of ten times the length."""

from dataclasses import dataclass
from typing import Any

from benchmarks import floor
from benchmarks.child import measure
from benchmarks.run import BenchmarkRun
from benchmarks.servers import BenchmarkServers
from benchmarks.workload_size import WorkloadSize

SMALL_EVENTS, LARGE_EVENTS = 100_000, 1_000_000


@dataclass(frozen=True)
class GrowthResult:
    """The results for a log with `events` events."""

    events: int
    project: dict[str, Any]
    rebuild: dict[str, Any]
    floor_seconds: float

    @property
    def rate(self) -> float:
        """Projected events per second."""
        return float(self.events / self.project["seconds"])

    @property
    def floor_ratio(self) -> float:
        return float(self.floor_seconds / self.project["seconds"])


async def measure_growth(servers: BenchmarkServers, events: int) -> GrowthResult:
    """Append, relay, project and rebuild events; measure the floor for the same rows."""
    run = BenchmarkRun(servers, WorkloadSize(events=events), frozenset())
    await run.prepare()
    rebuild = await measure("rebuild", run.settings(run.projected))
    empty = await servers.database(run.empty)
    seconds = floor.copy_rows(servers, empty, servers.home / "rows")
    await servers.drop_all()
    return GrowthResult(run.total_events, run.first_projection, rebuild, seconds)
