"""Real processes under load, killed without warning and started again."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from services.local_stack.child_process import kill, spawn, stop
from services.projector import consumer
from services.runtime.settings import Settings, as_environment
from tests.conftest import until
from tests.races.processes import demand_the_law, level, talk
from tests.world import World, make_world

WORKERS = ("relay", "projector", "relay", "projector")
STOP_SECONDS = 20.0


PATIENT = """
import runpy
from services.projector import consumer
consumer.SESSION_MILLISECONDS = {session}
runpy.run_module("services.projector", run_name="__main__")
"""


class Workers:
    """Two of each, so that one always stands by or shares the work.

    `session`: after so many milliseconds the group of the projectors misses one that was killed.
    """

    def __init__(
        self, settings: Settings, log: Path, session: int = consumer.SESSION_MILLISECONDS
    ) -> None:
        self.environment = as_environment(settings)
        self.log = log
        self.patient = PATIENT.format(session=session)
        self.pids: list[int] = []

    def start(self, name: str) -> int:
        how = ["-c", self.patient] if name == "projector" else ["-m", f"services.{name}"]
        return spawn([sys.executable, *how], log=self.log / f"{name}.log", env=self.environment)

    def start_all(self) -> None:
        self.pids = [self.start(name) for name in WORKERS]

    async def kill_one(self, number: int) -> None:
        """SIGKILL, and a new one in its place."""
        await asyncio.to_thread(kill, self.pids[number])
        self.pids[number] = self.start(WORKERS[number])

    async def stop_all(self) -> None:
        ended = [asyncio.to_thread(stop, pid, STOP_SECONDS) for pid in self.pids]
        await asyncio.gather(*ended)


@asynccontextmanager
async def at_work(
    settings: Settings, log: Path, session: int = consumer.SESSION_MILLISECONDS
) -> AsyncIterator[Workers]:
    workers = Workers(settings, log, session)
    workers.start_all()
    try:
        yield workers
    finally:
        await workers.stop_all()


async def survive(settings: Settings, pool: asyncpg.Pool, log: Path, *, kills: int) -> None:
    """Kill relays and projectors under load; in the end every fact is a row, once."""
    chance = random.Random(kills)
    world = await make_world(pool, properties=8)
    done = asyncio.Event()
    spoken: list[UUID] = []
    async with at_work(settings, log) as workers:
        loading = asyncio.create_task(_load(world, done, spoken))
        try:
            for _ in range(kills):
                wanted = len(spoken) + chance.randint(1, 6)
                await until(lambda wanted=wanted: len(spoken) >= wanted)  # type: ignore[misc]
                await workers.kill_one(chance.randrange(len(WORKERS)))
        finally:
            done.set()
            await loading
        await level(pool)
    assert await world.count("messages") == len(spoken) * len(world.properties) * 3
    assert await world.count("leads") == len(spoken) * len(world.properties)
    await demand_the_law(pool)


async def _load(world: World, done: asyncio.Event, spoken: list[UUID]) -> None:
    while not done.is_set():
        spoken.append(await talk(world, 3))
