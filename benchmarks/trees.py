"""Comparison of trees: the same measurements of all in turn, on the same servers.

Each measurement is a child process that runs in the directory of its tree, and so with its code.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.child import measure
from benchmarks.idle import core_percent, measure_idle
from benchmarks.run import HOST_EVENTS_PER_PROPERTY
from benchmarks.servers import BenchmarkServers
from benchmarks.workload_size import WorkloadSize
from services.runtime.settings import Settings

Results = dict[str, list[float]]
"""Measurement → seconds (or milliseconds, or percent) of each round."""


@dataclass
class MeasuredTree:
    """A tree with its databases: with the rows of the host, with the log, and with the tables."""

    path: Path
    servers: BenchmarkServers
    size: WorkloadSize
    topics: int = 0
    empty: str = ""
    appended: str = ""
    projected: str = ""
    results: Results = field(default_factory=dict)

    @property
    def total_events(self) -> int:
        return self.size.events + HOST_EVENTS_PER_PROPERTY * self.size.properties + 1

    async def prepare(self, *, has_history: bool) -> None:
        self.empty = await self.servers.database()
        await self._measure("prepared", self.empty, **self._organization)
        if not has_history:
            return
        self.appended = await self.servers.database(self.empty)
        await self._measure("bulk", self.appended, **self._history(self.size.events))
        self.projected = await self.servers.database(self.appended)
        settings = self._settings(self.projected)
        for name in ("relay", "project"):
            await measure(name, settings, tree=self.path, events=self.total_events)

    async def append(self) -> None:
        async with self._copy(self.empty) as database:
            result = await self._measure("bulk", database, **self._history(self.size.events))
            self._add("append, in bulk", result["seconds"])
            self._add("  CPU time of client and server", result["cpu_seconds"] + result["server"])
        async with self._copy(self.empty) as database:
            history = self._history(self.size.single_events)
            result = await self._measure("single", database, **history)
            self._add("append, one commit per event", result["seconds"])
            self._add("the same on sixteen connections", result["seconds_on_16"])

    async def project(self) -> None:
        async with self._copy(self.appended) as database:
            settings, events = self._settings(database), self.total_events
            result = await self._measure_with(settings, "relay", events=events)
            self._add("relay: number and publish", result["seconds"])
            result = await self._measure_with(settings, "project", events=events)
            self._add("project: one projector", result["seconds"])
            self._add("  CPU time of the projector", result["cpu_seconds"])
            self._add("  CPU time of the server", result["server"])

    async def rebuild(self) -> None:
        async with self._copy(self.projected) as database:
            result = await self._measure("rebuild", database)
            self._add("rebuild: log → swapped tables", result["seconds"])
            self._add("  fold only", result["stages"]["events"])

    async def latency(self) -> None:
        await self._latency("action → visible row, p50", self.size.rate, self.size.rate_seconds)
        rare = (self.size.rare_rate, self.size.rare_seconds)
        await self._latency("action → visible row after a pause, p50", *rare)

    async def _latency(self, name: str, rate: float, seconds: float) -> None:
        pace = {"seed": self.size.seed, "rate": rate, "seconds": seconds}
        async with self._copy(self.empty) as database:
            result = await self._measure("real", database, **self._organization, **pace)
            self._add(name, median(result["milliseconds"]))

    async def idle(self) -> None:
        result = await measure_idle(self.size.idle_seconds, self.path)
        self._add("idle: percent of a core", core_percent(result))
        for name, percent in result["percent"].items():
            self._add(f"  {name}", percent)

    @property
    def _organization(self) -> dict[str, Any]:
        return {"organization": [self.size.seed, self.size.properties]}

    def _history(self, events: int) -> dict[str, Any]:
        return {"seed": self.size.seed, "events": events, **self._organization}

    async def _measure(self, name: str, database: str, **arguments: Any) -> dict[str, Any]:
        return await self._measure_with(self._settings(database), name, **arguments)

    async def _measure_with(
        self, settings: Settings, name: str, **arguments: Any
    ) -> dict[str, Any]:
        """Run a measurement; `server` is the CPU time of PostgreSQL meanwhile."""
        before = self.servers.cpu_seconds()
        result = await measure(name, settings, tree=self.path, **arguments)
        return result | {"server": self.servers.cpu_seconds() - before}

    def _settings(self, database: str) -> Settings:
        self.topics += 1
        return self.servers.settings(database, f"{database}.{self.topics}")

    @asynccontextmanager
    async def _copy(self, template: str) -> AsyncIterator[str]:
        database = await self.servers.database(template)
        yield database
        await self.servers.drop(database)

    def _add(self, name: str, value: float) -> None:
        self.results.setdefault(name, []).append(value)


async def compare(
    servers: BenchmarkServers,
    size: WorkloadSize,
    only: frozenset[str],
    paths: Sequence[Path],
    progress: Progress,
) -> list[Results]:
    """Return the results of each tree. The order of the trees alternates from round to round."""
    trees = [MeasuredTree(path, servers, size) for path in paths]
    has_history = not only or bool(only - {"latency", "idle"})
    for tree in trees:
        await tree.prepare(has_history=has_history)
    steps: dict[str, Callable[[MeasuredTree], Coroutine[Any, Any, None]]] = {
        "append": MeasuredTree.append, "project": MeasuredTree.project,
        "rebuild": MeasuredTree.rebuild, "latency": MeasuredTree.latency,
        "idle": MeasuredTree.idle,
    }  # fmt: skip
    chosen = [step for name, step in steps.items() if not only or name in only]
    task = progress.add_task("rounds", total=size.rounds * len(chosen))
    for number in range(size.rounds):
        for step in chosen:
            for tree in trees if number % 2 == 0 else reversed(trees):
                await step(tree)
            progress.advance(task)
    return [tree.results for tree in trees]


def show(own: Results, others: Mapping[str, Results], title: str) -> None:
    """Print medians of the times, and the ratios of this tree's times: median, and all rounds."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(("measured", "this tree", "other tree", "", "ratio", "rounds")):
        table.add_column(name, justify="left" if number in (0, 2) else "right")
    for name, values in own.items():
        for other, results in others.items():
            ratios = sorted(a / b for a, b in zip(values, results[name], strict=True))
            table.add_row(
                name, f"{median(values):.3g}", other, f"{median(results[name]):.3g}",
                f"{median(ratios):.3f}", f"{ratios[0]:.2f} – {ratios[-1]:.2f}",
            )  # fmt: skip
    Console(width=120).print(table)
