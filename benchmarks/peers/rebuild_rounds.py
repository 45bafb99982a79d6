"""The rounds of rebuilding: the core and Emmett rebuild the same flat table in turn."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from benchmarks.appending import BATCH_EVENTS
from benchmarks.child import measure
from benchmarks.peers.flat_log import append_log, project_log
from benchmarks.peers.flat_table import create_table, digest_table
from benchmarks.peers.rounds import NODE, run_command
from benchmarks.servers import BenchmarkServers
from benchmarks.workload import history, make_organization
from benchmarks.workload_size import WorkloadSize

CONTENDERS = ("core", "Emmett")


@dataclass
class RebuildRun:
    """The results of all rounds: contender → one result each round."""

    servers: BenchmarkServers
    size: WorkloadSize
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    async def run(self) -> None:
        """Prepare two stores of the same events, and measure in alternating order.

        Raise `RuntimeError` if a contender fails, or if its rows differ from those of another.
        """
        home, servers = self.servers.home / "node", self.servers
        await install_peers(home)
        projected = await append_log(servers, self.size)
        await project_log(servers, self.size, projected, "projected")
        stored = await self._fill_emmett(home)
        digests = {await digest_table(servers.url(projected))}
        for number in range(self.size.rounds):
            for name in CONTENDERS if number % 2 else reversed(CONTENDERS):
                database = await servers.database(projected if name == "core" else stored)
                if name == "core":
                    result = await measure("flat_rebuild", servers.settings(database, "flat"))
                else:
                    result = await self._rebuild_emmett(database, home)
                result["events"] = self.size.events
                self.results.setdefault(name, []).append(result)
                digests.add(await digest_table(servers.url(database)))
                if len(digests) > 1:
                    raise RuntimeError(f"the rows of {name} differ: {digests}")
                await servers.drop(database)

    async def _fill_emmett(self, home: Path) -> str:
        """Return a new database with the events in Emmett's store, and the empty flat table.

        One connection appends, each stream at once. Emmett 0.42 reads events ordered by transaction
        and then by position, and continues after the last position: so a rebuild leaves out events
        of transactions that overlapped.
        """
        database, file = await self.servers.database(), home / "events.json"
        url = self.servers.url(database)
        await create_table(url)
        await self._set_not_durable(database)
        file.write_bytes(b"".join(self._lines()))
        await run_command(
            "node", "append.mjs", "emmett", url, str(file), str(self.size.events), "1", cwd=home
        )
        return database

    def _lines(self) -> Iterator[bytes]:
        size = self.size
        organization = make_organization(size.seed, size.properties)
        for new in history(size.seed, organization, size.events):
            yield orjson.dumps({
                "stream": f"{new.event.stream}-{new.event.stream_id}", "type": new.event.name,
                "data": new.event.model_dump(mode="json", exclude_unset=True),
                "metadata": {"id": new.id, "org_id": new.org_id, "property_id": new.property_id,
                             "occurred_at": new.occurred_at},
            }) + b"\n"  # fmt: skip

    async def _rebuild_emmett(self, database: str, home: Path) -> dict[str, Any]:
        url = self.servers.url(database)
        await self._set_not_durable(database)  # as the core folds: a copy loses the setting
        conn = await asyncpg.connect(url)
        types = await conn.fetchval(
            "SELECT string_agg(DISTINCT message_type, ',') FROM emt_messages"
        )
        await conn.close()
        out = await run_command("node", "rebuild.mjs", url, str(BATCH_EVENTS), types, cwd=home)
        result: dict[str, Any] = json.loads(out.splitlines()[-1])
        return result

    async def _set_not_durable(self, database: str) -> None:
        conn = await asyncpg.connect(self.servers.url(database))
        await conn.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
        await conn.close()


async def install_peers(home: Path) -> None:
    """Copy the programs of the peers for Node into a directory, with their packages."""
    shutil.copytree(NODE, home, dirs_exist_ok=True)
    await run_command("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=home)
