"""The rounds of the measurement: the core and each peer append the same events in turn."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.appending import BATCH_EVENTS
from benchmarks.child import measure
from benchmarks.peers.node_peers import install_peers, run_command, write_events
from benchmarks.servers import BenchmarkServers
from benchmarks.workload import insert_host_rows, make_organization
from benchmarks.workload_size import WorkloadSize
from services.runtime.database import connect
from services.runtime.migrations import migrate

TABLES = {
    "core": "crm_events WHERE actor = 'benchmark'", "eventsourcing": "stored_events",
    "emmett": "emt_messages", "dcb": "events",
}  # fmt: skip
"""Contender → its table of events."""


@dataclass
class PeerRun:
    """The results of all rounds: contender → one result each round."""

    servers: BenchmarkServers
    size: WorkloadSize
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    async def run(self) -> None:
        """Install the peers, and measure all contenders in alternating order.

        Raise `RuntimeError` if a peer cannot be installed or has not appended every event.
        """
        empty = await self.servers.database()
        await asyncio.to_thread(migrate, self.servers.url(empty))
        organization = [self.size.seed, self.size.properties]
        conn = await connect(self.servers.settings(empty, "peers"), "bench", role=None)
        await insert_host_rows(conn, make_organization(*organization))
        await conn.close()
        with tempfile.TemporaryDirectory() as directory:
            home = Path(directory)
            write_events(home / "events.json", self.size)
            await install_peers(home)
            for number in range(self.size.rounds):
                for name in TABLES if number % 2 else reversed(TABLES):
                    async with self._database(empty if name == "core" else None) as database:
                        result = await self._measure(name, database, home)
                        await self._require_all(name, database)
                        result["events"] = self.size.events
                        self.results.setdefault(name, []).append(result)

    async def _measure(self, name: str, database: str, home: Path) -> dict[str, Any]:
        settings, file = self.servers.settings(database, "peers"), str(home / "events.json")
        if name == "core":
            return await measure(
                "bulk", settings, seed=self.size.seed, events=self.size.events,
                organization=[self.size.seed, self.size.properties],
            )  # fmt: skip
        if name == "eventsourcing":
            return await measure(name, settings, file=file, batch_events=BATCH_EVENTS)
        url = self.servers.url(database)
        out = await run_command("node", "append.mjs", name, url, file, str(BATCH_EVENTS), cwd=home)
        result: dict[str, Any] = json.loads(out.splitlines()[-1])
        return result

    @asynccontextmanager
    async def _database(self, template: str | None) -> AsyncIterator[str]:
        database = await self.servers.database(template)
        yield database
        await self.servers.drop(database)

    async def _require_all(self, name: str, database: str) -> None:
        conn = await asyncpg.connect(self.servers.url(database))
        count = await conn.fetchval(f"SELECT count(*) FROM {TABLES[name]}")
        await conn.close()
        if count != self.size.events:
            raise RuntimeError(f"{name} has {count} events instead of {self.size.events}")
