"""The rounds of projecting: the core and the sinks of others fill the same flat table in turn."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.flat_log import STOP_SECONDS, append_log, last_ids, project_log
from benchmarks.peers.flat_table import RowComparison, create_table
from benchmarks.peers.flat_topic import fill_topic
from benchmarks.peers.flink_job import start_job
from benchmarks.peers.kafka_connect import start_connect
from benchmarks.peers.row_watch import watch_rows
from benchmarks.servers import BenchmarkServers
from benchmarks.workload import history, make_organization
from benchmarks.workload_size import WorkloadSize
from services.local_stack.child_process import stop

TASKS = {
    "core": 1, "Debezium, 1 task": 1, "Debezium, 2 tasks": 2, "PyFlink, 1 task": 1,
    "PyFlink, 2 tasks": 2,
}  # fmt: skip
"""Contender → its number of projectors, or of tasks in its one process."""
TOPIC = "flat"


@dataclass
class FlatRun:
    """The results of all rounds: contender → one result each round."""

    servers: BenchmarkServers
    size: WorkloadSize
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    async def run(self) -> None:
        """Prepare a log and a topic of the same events, and measure in alternating order.

        Raise `RuntimeError` if a contender fails, or if its rows differ from those of another.
        """
        size, servers = self.size, self.servers
        log, empty = await append_log(servers, size), await servers.database()
        await create_table(servers.url(empty))
        new_events = history(size.seed, make_organization(size.seed, size.properties), size.events)
        fill_topic(servers.bootstrap_servers, TOPIC, new_events)
        rows = RowComparison()
        for number in range(size.rounds):
            for name in TASKS if number % 2 else reversed(TASKS):
                database = await servers.database(log if name == "core" else empty)
                run = f"flat{number}.{list(TASKS).index(name)}"
                if name == "core":
                    result = await project_log(servers, size, database, run)
                else:
                    result = await self._sink(name, database, run)
                self.results.setdefault(name, []).append(result)
                await rows.add(name, servers.url(database))
                await servers.drop(database)

    async def _sink(self, contender: str, database: str, run: str) -> dict[str, Any]:
        home, last = self.servers.home / f"sink.{run}", last_ids(self.size)
        start = start_job if contender.startswith("PyFlink") else start_connect
        pid = start(
            home, run, TOPIC, tasks=TASKS[contender], url=self.servers.url(database),
            bootstrap_servers=self.servers.bootstrap_servers,
        )  # fmt: skip
        try:
            return await watch_rows(self.servers, database, pid, home / "sink.log", last=last)
        finally:
            await asyncio.to_thread(stop, pid, STOP_SECONDS)
