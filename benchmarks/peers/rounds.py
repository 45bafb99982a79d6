"""The rounds of the measurement: the core and each peer append the same events in turn."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from benchmarks.appending import BATCH_EVENTS
from benchmarks.child import measure
from benchmarks.servers import BenchmarkServers
from benchmarks.workload import history, insert_host_rows, make_organization
from benchmarks.workload_size import WorkloadSize
from services.runtime.database import connect
from services.runtime.migrations import migrate

NODE = Path(__file__).parent / "node"
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
            self._write_events(home / "events.json")
            shutil.copytree(NODE, home, dirs_exist_ok=True)
            await run_command("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=home)
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

    def _write_events(self, file: Path) -> None:
        organization = make_organization(self.size.seed, self.size.properties)
        with file.open("wb") as lines:
            for new in history(self.size.seed, organization, self.size.events):
                lines.write(orjson.dumps({
                    "stream": f"{new.event.stream}-{new.event.stream_id}", "type": new.event.name,
                    "data": new.event.model_dump(mode="json", exclude_unset=True),
                }) + b"\n")  # fmt: skip

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


async def run_command(*command: str, cwd: Path) -> str:
    """Return what a command prints. Raise `RuntimeError` if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed with exit code {process.returncode}")
    return out.decode()
