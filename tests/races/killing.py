"""Real processes under load that are killed and started again."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from services.event_consumer import consumer
from services.local_stack.child_process import kill, spawn, stop
from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import append_chats, assert_live_equals_rebuilt, wait_until_level
from tests.world import World, make_world

WORKERS = ("relay", "projector", "relay", "projector")
STOP_SECONDS = 20.0


PROJECTOR_CODE = """
import runpy
from services.event_consumer import consumer
consumer.SESSION_MILLISECONDS = {session}
runpy.run_module("services.projector", run_name="__main__")
"""


class Workers:
    """Two relays and two projectors, so that one of each kind is left when the other is killed.

    `session` is the time in milliseconds after which the group notices a killed projector.
    """

    def __init__(
        self, settings: Settings, log: Path, session: int = consumer.SESSION_MILLISECONDS
    ) -> None:
        self.environment = to_environment(settings)
        self.log = log
        self.projector_code = PROJECTOR_CODE.format(session=session)
        self.pids: list[int] = []

    def start(self, name: str) -> int:
        arguments = (
            ["-c", self.projector_code] if name == "projector" else ["-m", f"services.{name}"]
        )
        return spawn(
            [sys.executable, *arguments], log=self.log / f"{name}.log", env=self.environment
        )

    def start_all(self) -> None:
        self.pids = [self.start(name) for name in WORKERS]

    async def kill_one(self, number: int) -> None:
        """Send SIGKILL to a worker and start another."""
        await asyncio.to_thread(kill, self.pids[number])
        self.pids[number] = self.start(WORKERS[number])

    async def stop_all(self) -> None:
        stopping = [asyncio.to_thread(stop, pid, STOP_SECONDS) for pid in self.pids]
        await asyncio.gather(*stopping)


@asynccontextmanager
async def run_workers(
    settings: Settings, log: Path, session: int = consumer.SESSION_MILLISECONDS
) -> AsyncIterator[Workers]:
    """Run the workers during a block."""
    workers = Workers(settings, log, session)
    workers.start_all()
    try:
        yield workers
    finally:
        await workers.stop_all()


async def kill_under_load(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, log: Path, *, kills: int
) -> None:
    """Kill relays and projectors under load; check that in the end every event is a row, once."""
    chance = random.Random(kills)
    world = await make_world(pool, properties=8)
    stop_load = asyncio.Event()
    rounds: list[UUID] = []
    async with run_workers(settings, log) as workers:
        loading = asyncio.create_task(_append_until(stop_load, world, rounds))
        try:
            for _ in range(kills):
                target = len(rounds) + chance.randint(1, 6)
                await until(lambda target=target: len(rounds) >= target)  # type: ignore[misc]
                await workers.kill_one(chance.randrange(len(WORKERS)))
        finally:
            stop_load.set()
            await loading
        await wait_until_level(pool)
    assert await world.count("messages") == len(rounds) * len(world.properties) * 3
    assert await world.count("leads") == len(rounds) * len(world.properties)
    await assert_live_equals_rebuilt(owner_pool)


async def _append_until(stop: asyncio.Event, world: World, rounds: list[UUID]) -> None:
    while not stop.is_set():
        rounds.append(await append_chats(world, 3))
