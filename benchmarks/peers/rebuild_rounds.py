"""The rounds of rebuilding: the core and Emmett rebuild the same flat table in turn."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.appending import BATCH_EVENTS
from benchmarks.child import measure
from benchmarks.peers.flat_log import append_log, project_log
from benchmarks.peers.flat_table import RowComparison, create_table
from benchmarks.peers.node_peers import install_peers, run_command, write_events
from benchmarks.servers import BenchmarkServers
from benchmarks.workload_size import WorkloadSize
from events.record import NewEvent

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
        rows = RowComparison()
        await rows.add("core", servers.url(projected))
        for number in range(self.size.rounds):
            for name in CONTENDERS if number % 2 else reversed(CONTENDERS):
                database = await servers.database(projected if name == "core" else stored)
                if name == "core":
                    result = await measure("flat_rebuild", servers.settings(database, "flat"))
                else:
                    result = await self._rebuild_emmett(database, home)
                result["events"] = self.size.events
                self.results.setdefault(name, []).append(result)
                await rows.add(name, servers.url(database))
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
        write_events(file, self.size, _metadata)
        await run_command(
            "node", "append.mjs", "emmett", url, str(file), str(self.size.events), "1", cwd=home
        )
        return database

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


def _metadata(new: NewEvent) -> dict[str, Any]:
    """Return what the flat table has besides the event itself."""
    return {"metadata": {
        "id": new.id, "org_id": new.org_id, "property_id": new.property_id,
        "occurred_at": new.occurred_at,
    }}  # fmt: skip
