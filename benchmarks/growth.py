"""Growth: does a log ten times as long project as fast, in the same memory?"""

from dataclasses import dataclass
from typing import Any

from benchmarks import floor
from benchmarks.child import measure
from benchmarks.run import Run, Size
from benchmarks.servers import Servers

SMALL_EVENTS, LARGE_EVENTS = 100_000, 1_000_000


@dataclass(frozen=True)
class Grown:
    """What a log of so many events cost."""

    events: int
    project: dict[str, Any]
    rebuild: dict[str, Any]
    floor_seconds: float

    @property
    def rate(self) -> float:
        """Events projected a second."""
        return float(self.events / self.project["seconds"])

    @property
    def of_the_floor(self) -> float:
        return float(self.floor_seconds / self.project["seconds"])


async def grow(servers: Servers, events: int) -> Grown:
    """Append, relay, project and rebuild so many events, with the floor of the same rows beside."""
    run = Run(servers, Size(events=events), frozenset())
    await run.prepare()
    rebuild = await measure("rebuild", run.settings(run.projected))
    empty = await servers.database(run.empty)
    seconds = floor.copy_rows(servers, empty, servers.home / "rows")
    await servers.drop_all()
    return Grown(run.whole, run.first, rebuild, seconds)
