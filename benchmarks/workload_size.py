"""The size of a run: the numbers of events, rows, seconds and rounds."""

from dataclasses import dataclass, field

from benchmarks.console_pages.site import QUICK_SITE, SiteSize
from benchmarks.http.measuring import HttpSize
from benchmarks.timers.rounds import TimerSize


@dataclass(frozen=True)
class WorkloadSize:
    """The numbers of a run; `slow_events` is for measurements that are very slow.

    `rare_rate` is a rate with so long pauses between two actions that all processes sleep.
    """

    seed: int = 1
    properties: int = 24
    events: int = 60_000
    single_events: int = 1_000
    sink_events: int = 20_000
    slow_events: int = 1_000
    rate: float = 50.0
    rate_seconds: float = 6.0
    idle_seconds: float = 60.0
    rare_rate: float = 0.5
    rare_seconds: float = 30.0
    leads: int = 200_000
    leads_in_large_property: int = 20_000
    growing_leads: tuple[int, ...] = (1_000, 10_000, 100_000)
    timers: TimerSize = field(default_factory=TimerSize)
    http: HttpSize = field(default_factory=HttpSize)
    pages: SiteSize = field(default_factory=SiteSize)
    rounds: int = 5


QUICK = WorkloadSize(
    events=20_000, single_events=300, sink_events=10_000, slow_events=300, rate_seconds=3.0,
    idle_seconds=20.0, leads=50_000, leads_in_large_property=5_000, rounds=3,
    growing_leads=(1_000, 10_000),
    timers=TimerSize(timers=8_000, steady=50, dead_rows=20_000), http=HttpSize(400, 200),
    pages=QUICK_SITE,
)  # fmt: skip
