"""Real processes under load that are killed and started again."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from services.event_consumer import consumer
from services.runtime.settings import Settings
from tests.conftest import until
from tests.forked import ForkedProcess
from tests.races.processes import append_chats, assert_live_equals_rebuilt, wait_until_level
from tests.world import World, make_world

WORKERS = ("relay", "projector", "relay", "projector")
END_SECONDS = 60.0


SESSION_CHANGE = """
from services.event_consumer import consumer
consumer.SESSION_MILLISECONDS = {session}
"""


class Workers:
    """Two relays and two projectors, so that one of each kind is left when the other is killed.

    `session` is the time in milliseconds after which the group notices a killed projector.
    """

    def __init__(
        self, settings: Settings, log: Path, session: int = consumer.SESSION_MILLISECONDS
    ) -> None:
        self.settings, self.log = settings, log
        self.change = SESSION_CHANGE.format(session=session)
        self.running: dict[int, ForkedProcess] = {}

    async def start(self, number: int) -> None:
        """Start a worker, the first one or another in the place of a killed one."""
        name = WORKERS[number]
        change = self.change if name == "projector" else ""
        process = ForkedProcess(name, self.settings, self.log / f"{name}.log", change)
        await process.start()
        self.running[number] = process

    async def kill(self, number: int) -> None:
        """Send SIGKILL to a worker and wait for its end."""
        process = self.running.pop(number)
        process.kill()
        await process.wait(END_SECONDS)

    async def kill_all(self) -> None:
        """Kill the rest: a stop waits until the group has noticed the last killed projector."""
        await asyncio.gather(*(self.kill(number) for number in list(self.running)))


@asynccontextmanager
async def run_workers(
    settings: Settings, log: Path, session: int = consumer.SESSION_MILLISECONDS
) -> AsyncIterator[Workers]:
    """Run the workers during a block."""
    workers = Workers(settings, log, session)
    try:
        await asyncio.gather(*(workers.start(number) for number in range(len(WORKERS))))
        yield workers
    finally:
        await workers.kill_all()


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
                number = chance.randrange(len(WORKERS))
                await workers.kill(number)
                await workers.start(number)
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
