"""One run: prepare databases and topics, then measure everything in turn in each round."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.progress import Progress

from benchmarks import floor
from benchmarks.child import measure
from benchmarks.console_pages.rounds import measure_page_round, prepare_site
from benchmarks.console_pages.site import Site
from benchmarks.http.jobs import Target
from benchmarks.http.measuring import measure_round
from benchmarks.http.preparation import prepare_target
from benchmarks.idle import measure_idle
from benchmarks.servers import BenchmarkServers
from benchmarks.timers.rounds import measure_contenders
from benchmarks.workload import insert_host_rows, make_organization
from benchmarks.workload_size import WorkloadSize
from services.runtime.database import connect
from services.runtime.migrations import migrate
from services.runtime.settings import Settings

HOST_EVENTS_PER_PROPERTY = 2
"""The events of a property and its agent; the organisation has one more."""


@dataclass
class BenchmarkRun:
    """The state of one run: prepared databases and the results so far."""

    servers: BenchmarkServers
    size: WorkloadSize
    only: frozenset[str]
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    migrated: str = ""
    empty: str = ""
    """The migrated database with the host's rows."""
    appended: str = ""
    projected: str = ""
    topics: int = 0
    first_projection: dict[str, Any] = field(default_factory=dict)
    """The result of the projection that made the rows, before the rounds."""
    crowded: str = ""
    crowd: dict[str, Any] = field(default_factory=dict)
    """The ids in the database with many leads."""
    growing: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    """Number of leads of a property → its database, with the ids in it."""
    served: str = ""
    """The database of the HTTP servers."""
    target: Target | None = None
    paged: str = ""
    """The database whose pages are measured."""
    site: Site | None = None

    @property
    def total_events(self) -> int:
        """The number of events of the history and of the host's rows."""
        return self.size.events + HOST_EVENTS_PER_PROPERTY * self.size.properties + 1

    @property
    def organization(self) -> list[int]:
        return [self.size.seed, self.size.properties]

    async def prepare(self) -> None:
        """Prepare a database with the host's rows, one with the log, and one with the tables."""
        self.migrated = await self.servers.database()
        await asyncio.to_thread(migrate, self.servers.url(self.migrated))
        if not self.only or "read" in self.only:
            self.crowded = await self.servers.database(self.migrated)
            self.crowd = await measure(
                "crowded", self.settings(self.crowded), leads=self.size.leads,
                in_large_property=self.size.leads_in_large_property,
            )  # fmt: skip
        if not self.only or "reads" in self.only:
            for leads in self.size.growing_leads:
                database = await self.servers.database(self.migrated)
                crowd = await measure("crowded", self.settings(database), leads=2 * leads,
                                      in_large_property=leads)  # fmt: skip
                self.growing[leads] = (database, crowd)
        if not self.only or "pages" in self.only:
            self.paged = await self.servers.database(self.migrated)
            self.site = await prepare_site(self.settings(self.paged), self.size.pages)
        if not self.only or self.only - {"read", "reads", "timers", "idle", "pages"}:
            await self._prepare_history()

    async def _prepare_history(self) -> None:
        self.empty = await self.servers.database(self.migrated)
        conn = await connect(self.settings(self.empty), "bench", role=None)
        await insert_host_rows(conn, make_organization(*self.organization))
        await conn.close()
        self.appended = await self.servers.database(self.empty)
        await self._append(self.appended)
        self.projected = await self.servers.database(self.appended)
        settings = self.settings(self.projected)
        await measure("relay", settings, events=self.total_events)
        self.first_projection = await measure("project", settings, events=self.total_events)
        rows = self.servers.home / "rows"
        floor.dump_rows(self.servers, self.projected, rows)
        floor.dump_log(self.servers, self.projected, self.servers.home / "log.copy")
        if not self.only or "http" in self.only:
            self.served = await self.servers.database(self.projected)
            organization = make_organization(*self.organization)
            self.target = await prepare_target(self.settings(self.served), organization)

    async def rounds(self, progress: Progress) -> None:
        """Run the rounds; the order of the steps alternates, as a machine slows down over time."""
        steps = [
            step
            for name, step in (
                ("append", self._append_round), ("project", self._project_round),
                ("rebuild", self._rebuild_round), ("latency", self._latency_round),
                ("read", self._read_round), ("reads", self._growing_round),
                ("timers", self._timer_round), ("http", self._http_round),
                ("idle", self._idle_round), ("pages", self._page_round),
            )
            if not self.only or name in self.only
        ]  # fmt: skip
        task = progress.add_task("rounds", total=self.size.rounds * len(steps))
        for number in range(self.size.rounds):
            for step in steps if number % 2 == 0 else reversed(steps):
                await step(number)
                progress.advance(task)

    async def _append_round(self, _number: int) -> None:
        async with self._copy(self.empty) as database:
            self._add("bulk", await self._append(database))
        async with self._copy(self.empty) as database:
            seconds = floor.copy_log(self.servers, database, self.servers.home / "log.copy")
            self._add("log_floor", {"events": self.size.events, "seconds": seconds})
        async with self._copy(self.empty) as database:
            result = await measure(
                "single", self.settings(database), seed=self.size.seed,
                organization=self.organization, events=self.size.single_events,
            )  # fmt: skip
            self._add("single", result)
        for name in ("commands", "inserts"):
            for durable in (True, False):
                async with self._copy(self.appended) as database:
                    result = await measure(
                        name, self.settings(database), events=self.size.single_events,
                        durable=durable,
                    )  # fmt: skip
                    self._add(name if durable else f"{name} not durable", result)

    async def _project_round(self, number: int) -> None:
        steps = [self._floor, self._project, self._projectors, self._sink, self._tutorial]
        for step in steps if number % 2 == 0 else reversed(steps):
            await step()

    async def _floor(self, name: str = "floor") -> None:
        async with self._copy(self.appended) as database:
            seconds = floor.copy_rows(self.servers, database, self.servers.home / "rows")
            self._add(name, {"events": self.total_events, "seconds": seconds})

    async def _project(self) -> None:
        async with self.relayed_database(adds_result=True) as settings:
            self._add("project", await measure("project", settings, events=self.total_events))

    async def _projectors(self) -> None:
        """Measure one projector for each core, as an operator runs them."""
        cores = os.cpu_count() or 1
        async with self.relayed_database() as settings:
            result = await measure("project", settings, events=self.total_events, projectors=cores)
            self._add("projectors", result)

    async def _sink(self) -> None:
        async with self.relayed_database() as settings:
            result = await measure("sink", settings, events=self.size.sink_events)
            self._add("sink", result)

    async def _tutorial(self) -> None:
        async with self.relayed_database() as settings:
            result = await measure("tutorial", settings, events=self.size.slow_events)
            self._add("tutorial", result)

    async def _rebuild_round(self, _number: int) -> None:
        await self._floor("rebuild_floor")
        async with self._copy(self.projected) as database:
            result = await measure("rebuild", self.settings(database))
        self._add("rebuild", result)
        self._add("fold", {"events": result["events"], "seconds": result["stages"]["events"]})

    async def _latency_round(self, _number: int) -> None:
        size = self.size
        async with self._copy(self.empty) as database:
            settings = self.settings(database)
            result = await measure("bare", settings, rate=size.rate, seconds=size.rate_seconds)
            self._add("bare", result)
        await self._real("real", size.rate, size.rate_seconds)
        await self._real("rare", size.rare_rate, size.rare_seconds)

    async def _real(self, name: str, rate: float, seconds: float) -> None:
        async with self._copy(self.empty) as database:
            result = await measure(
                "real", self.settings(database), seed=self.size.seed,
                organization=self.organization, rate=rate, seconds=seconds,
            )  # fmt: skip
            self._add(name, result)

    async def _read_round(self, _number: int) -> None:
        settings = self.settings(self.crowded)
        self._add("read", await measure("read", settings, crowd=self.crowd))

    async def _growing_round(self, number: int) -> None:
        results = {}
        sizes = list(self.growing)
        for leads in sizes if number % 2 == 0 else reversed(sizes):
            database, crowd = self.growing[leads]
            result = await measure("read_routes", self.settings(database), crowd=crowd)
            results[str(leads)] = result["routes"]
        self._add("reads", results)

    async def _timer_round(self, number: int) -> None:
        async def measure_contender(**arguments: Any) -> dict[str, Any]:
            async with self._copy(self.migrated) as database:
                return await measure("timers", self.settings(database), **arguments)

        self._add("timers", await measure_contenders(measure_contender, self.size.timers, number))

    async def _http_round(self, number: int) -> None:
        if self.target is not None:
            async with self._copy(self.served) as database:
                settings = self.settings(database)
                result = await measure_round(settings, self.target, self.size.http, number)
                self._add("http", result)

    async def _idle_round(self, _number: int) -> None:
        self._add("idle", await measure_idle(self.size.idle_seconds))

    async def _page_round(self, _number: int) -> None:
        if self.site is not None:
            self._add("pages", await measure_page_round(self.settings(self.paged), self.site))

    async def _append(self, database: str) -> dict[str, Any]:
        return await measure(
            "bulk", self.settings(database), seed=self.size.seed, organization=self.organization,
            events=self.size.events,
        )  # fmt: skip

    @asynccontextmanager
    async def relayed_database(self, *, adds_result: bool = False) -> AsyncIterator[Settings]:
        """Yield the settings of a database with empty tables, whose log is on a new topic."""
        async with self._copy(self.appended) as database:
            settings = self.settings(database)
            result = await measure("relay", settings, events=self.total_events)
            if adds_result:
                self._add("relay", result)
            yield settings

    @asynccontextmanager
    async def _copy(self, template: str) -> AsyncIterator[str]:
        database = await self.servers.database(template)
        yield database
        await self.servers.drop(database)

    def settings(self, database: str) -> Settings:
        """Return settings with a new topic."""
        self.topics += 1
        return self.servers.settings(database, f"bench{self.topics}")

    def _add(self, name: str, result: dict[str, Any]) -> None:
        self.results.setdefault(name, []).append(result)
