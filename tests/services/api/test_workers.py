"""An API of several processes that share one port: requests, health, a crash, and the end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx2
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.local_stack.ports import free_port
from services.runtime.environment import to_environment
from services.runtime.process import UNREACHABLE
from services.runtime.settings import Settings
from tests.conftest import until
from tests.local_http import open_local_client
from tests.services.api.site import CHAT, create_widget
from tests.world import World, make_world

pytestmark = pytest.mark.stack
PROCESSES = 2


@dataclass
class RunningWorkers:
    """A parent with its workers, the ports, and the headers of a visitor."""

    parent: asyncio.subprocess.Process
    url: str
    health_url: str
    client: httpx2.AsyncClient
    headers: dict[str, str]

    def worker_ids(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.parent.pid).children()}

    async def is_ready(self) -> bool:
        try:
            return (await self.client.get(f"{self.health_url}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False

    async def count_requests(self) -> float:
        """Return the number of requests by the metrics of all workers."""
        text = (await self.client.get(f"{self.health_url}/metrics")).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "crm_http_seconds_count"
        )


@asynccontextmanager
async def run_workers(settings: Settings, world: World) -> AsyncIterator[RunningWorkers]:
    key, port, health_port = await create_widget(world), free_port(), free_port()
    update = {"http_port": port, "health_port": health_port, "api_processes": PROCESSES}
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.api", env=to_environment(settings.model_copy(update=update))
    )
    try:
        async with open_local_client(timeout=30) as client:
            running = RunningWorkers(
                parent, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{health_port}", client,
                {"X-API-Key": key, "X-Visitor-ID": "v_1"},
            )  # fmt: skip
            await until(running.is_ready)
            yield running
    finally:
        if parent.returncode is None:
            parent.send_signal(signal.SIGTERM)
            await asyncio.wait_for(parent.wait(), 20)


async def test_workers_share_a_port_and_add_up_their_metrics(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    async with run_workers(settings, await make_world(pool)) as running:
        assert len(running.worker_ids()) == PROCESSES
        for _ in range(20):  # a new connection each time, so that both workers accept some
            async with open_local_client() as client:
                assert (await client.get(f"{running.url}/healthz")).status_code == 200
        assert await running.count_requests() == 20
        chat = await running.client.post(
            f"{running.url}{CHAT}", json={"message": "hello"}, headers=running.headers
        )
        assert chat.status_code == 200, chat.text
        running.parent.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.parent.wait(), 20) == 0


@pytest.mark.kill
async def test_a_worker_that_crashed_is_started_again(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    async with run_workers(settings, await make_world(pool)) as running:
        before = running.worker_ids()
        crashed = min(before)
        os.kill(crashed, signal.SIGKILL)

        async def is_replaced() -> bool:
            ids = running.worker_ids()
            return len(ids) == PROCESSES and crashed not in ids and await running.is_ready()

        for _ in range(5):  # the other one answers meanwhile
            async with open_local_client(timeout=30) as client:
                assert (await client.get(f"{running.url}/healthz")).status_code == 200
        await until(is_replaced)


@pytest.mark.kill
async def test_workers_end_with_a_parent_that_was_killed(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    async with run_workers(settings, await make_world(pool)) as running:
        workers = [psutil.Process(pid) for pid in running.worker_ids()]
        running.parent.kill()
        await running.parent.wait()
        await until(lambda: not any(worker.is_running() for worker in workers))


async def test_workers_that_cannot_reach_the_database_end_the_parent(settings: Settings) -> None:
    unreachable = settings.model_copy(
        update={
            "database_url": type(settings.database_url)(f"postgresql://x@127.0.0.1:{free_port()}/x"),
            "http_port": free_port(), "api_processes": PROCESSES,
        }
    )  # fmt: skip
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.api", env=to_environment(unreachable)
    )
    assert await asyncio.wait_for(parent.wait(), 60) == UNREACHABLE
