"""One run: databases and topics are prepared, then rounds in which everything takes its turn."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.progress import Progress

from benchmarks import floor
from benchmarks.child import measure
from benchmarks.servers import Servers
from benchmarks.workload import furnish, place
from services.runtime.database import connect
from services.runtime.migrations import migrate
from services.runtime.settings import Settings

HOST_FACTS_EACH = 2
"""A property and its agent; the organisation is one more."""


@dataclass(frozen=True)
class Size:
    """How much is measured; `slow_events` is for the ways that would take for ever."""

    seed: int = 1
    properties: int = 24
    events: int = 60_000
    single_events: int = 1_000
    sink_events: int = 20_000
    slow_events: int = 1_000
    rate: float = 50.0
    rate_seconds: float = 6.0
    leads: int = 200_000
    leads_in_one: int = 20_000
    rounds: int = 5


QUICK = Size(
    events=20_000, single_events=300, sink_events=10_000, slow_events=300, rate_seconds=3.0,
    leads=50_000, leads_in_one=5_000, rounds=3,
)  # fmt: skip


@dataclass
class Run:
    """The state of one run: prepared databases and what was found so far."""

    servers: Servers
    size: Size
    only: frozenset[str]
    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    empty: str = ""
    appended: str = ""
    projected: str = ""
    topics: int = 0
    first: dict[str, Any] = field(default_factory=dict)
    """The projecting that made the rows, before the rounds."""
    crowded: str = ""
    crowd: dict[str, Any] = field(default_factory=dict)
    """A database with many leads, and where to look in it."""

    @property
    def whole(self) -> int:
        """The history and what the host's own rows became."""
        return self.size.events + HOST_FACTS_EACH * self.size.properties + 1

    @property
    def who(self) -> list[int]:
        return [self.size.seed, self.size.properties]

    async def prepare(self) -> None:
        """An empty database with the host's rows, one with the log, one with the tables too."""
        self.empty = await self.servers.database()
        await asyncio.to_thread(migrate, self.servers.url(self.empty))
        if not self.only or "read" in self.only:
            self.crowded = await self.servers.database(self.empty)
            self.crowd = await measure(
                "crowded", self.settings(self.crowded), leads=self.size.leads,
                in_one=self.size.leads_in_one,
            )  # fmt: skip
        if self.only != {"read"}:
            await self._prepare_history()

    async def _prepare_history(self) -> None:
        conn = await connect(self.settings(self.empty), "bench", role=None)
        await furnish(conn, place(*self.who))
        await conn.close()
        self.appended = await self.servers.database(self.empty)
        await self._append(self.appended)
        self.projected = await self.servers.database(self.appended)
        settings = self.settings(self.projected)
        await measure("relay", settings, events=self.whole)
        self.first = await measure("project", settings, events=self.whole)
        rows = self.servers.home / "rows"
        floor.dump_rows(self.servers, self.projected, rows)
        floor.dump_log(self.servers, self.projected, self.servers.home / "log.copy")

    async def rounds(self, progress: Progress) -> None:
        steps = [
            step
            for name, step in (
                ("append", self._append_round), ("project", self._project_round),
                ("rebuild", self._rebuild_round), ("latency", self._latency_round),
                ("read", self._read_round),
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
            self._keep("bulk", await self._append(database))
        async with self._copy(self.empty) as database:
            seconds = floor.copy_log(self.servers, database, self.servers.home / "log.copy")
            self._keep("log_floor", {"events": self.size.events, "seconds": seconds})
        async with self._copy(self.empty) as database:
            found = await measure(
                "single", self.settings(database), seed=self.size.seed, place=self.who,
                events=self.size.single_events,
            )  # fmt: skip
            self._keep("single", found)

    async def _project_round(self, number: int) -> None:
        ways = [self._floor, self._project, self._projectors, self._sink, self._tutorial]
        for way in ways if number % 2 == 0 else reversed(ways):
            await way()

    async def _floor(self, name: str = "floor") -> None:
        async with self._copy(self.appended) as database:
            seconds = floor.copy_rows(self.servers, database, self.servers.home / "rows")
            self._keep(name, {"events": self.whole, "seconds": seconds})

    async def _project(self) -> None:
        async with self._relayed(keep=True) as settings:
            self._keep("project", await measure("project", settings, events=self.whole))

    async def _projectors(self) -> None:
        """One a core, as an operator would run them."""
        cores = os.cpu_count() or 1
        async with self._relayed() as settings:
            found = await measure("project", settings, events=self.whole, projectors=cores)
            self._keep("projectors", found)

    async def _sink(self) -> None:
        async with self._relayed() as settings:
            found = await measure("sink", settings, events=self.size.sink_events)
            self._keep("sink", found)

    async def _tutorial(self) -> None:
        async with self._relayed() as settings:
            found = await measure("tutorial", settings, events=self.size.slow_events)
            self._keep("tutorial", found)

    async def _rebuild_round(self, _number: int) -> None:
        await self._floor("rebuild_floor")
        async with self._copy(self.projected) as database:
            found = await measure("rebuild", self.settings(database))
        self._keep("rebuild", found)
        self._keep("fold", {"events": found["events"], "seconds": found["stages"]["events"]})

    async def _latency_round(self, _number: int) -> None:
        pace = {"rate": self.size.rate, "seconds": self.size.rate_seconds}
        async with self._copy(self.empty) as database:
            self._keep("bare", await measure("bare", self.settings(database), **pace))
        async with self._copy(self.empty) as database:
            found = await measure(
                "real", self.settings(database), seed=self.size.seed, place=self.who, **pace
            )
            self._keep("real", found)

    async def _read_round(self, _number: int) -> None:
        settings = self.settings(self.crowded)
        self._keep("read", await measure("read", settings, crowd=self.crowd))

    async def _append(self, database: str) -> dict[str, Any]:
        return await measure(
            "bulk", self.settings(database), seed=self.size.seed, place=self.who,
            events=self.size.events,
        )  # fmt: skip

    @asynccontextmanager
    async def _relayed(self, *, keep: bool = False) -> AsyncIterator[Settings]:
        """A database whose log is on a topic of its own, and whose tables are empty."""
        async with self._copy(self.appended) as database:
            settings = self.settings(database)
            found = await measure("relay", settings, events=self.whole)
            if keep:
                self._keep("relay", found)
            yield settings

    @asynccontextmanager
    async def _copy(self, template: str) -> AsyncIterator[str]:
        database = await self.servers.database(template)
        yield database
        await self.servers.drop(database)

    def settings(self, database: str) -> Settings:
        """Settings with a topic nobody has used."""
        self.topics += 1
        return self.servers.settings(database, f"bench{self.topics}")

    def _keep(self, name: str, found: dict[str, Any]) -> None:
        self.found.setdefault(name, []).append(found)
