"""The stack on which all tests in a browser run: the API and every process, each test a tenant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx2

from events.deliveries import DeliveryChannel
from events.log.announcements import APPENDED
from services.api.app import create_app
from services.api.server import ApiServer
from services.intake import intake
from services.projector import projector
from services.relay import relay
from services.runtime.clock import Clock
from services.runtime.event_signal import EventSignal
from services.runtime.process import Checks
from services.runtime.settings import Settings
from services.runtime.tasks import end_tasks
from services.sender.delivery_worker import DeliveryWorker
from services.sender.sender import SendingLoop, make_paces
from services.workflows import workflows
from tests.conftest import until
from tests.races.processes import run_processes, wait_until_level
from tests.services.api.site import EchoResponder, StackSite, create_site, open_client, url_of
from tests.services.sender.counting_provider import CountingProvider
from tests.world import World, make_world


class StackWorld(World):
    """An organisation on a stack whose relay and projector bring the tables level."""

    async def project(self) -> Any:
        """Wait until the tables are level with the log."""
        await wait_until_level(self.pool)


@dataclass(frozen=True)
class RunningStack:
    """An API on a socket, and relay, projector, workflows, sender and intake in this event loop."""

    settings: Settings
    owner_settings: Settings
    pool: asyncpg.Pool
    client: httpx2.AsyncClient
    clock: Clock
    """The clock of the API. A test that moves it back must set it again."""
    responder: EchoResponder
    providers: dict[DeliveryChannel, CountingProvider] = field(
        default_factory=lambda: {channel: CountingProvider(channel) for channel in DeliveryChannel}
    )

    @property
    def address(self) -> str:
        return str(self.client.base_url).rstrip("/")

    async def create_site(self) -> StackSite:
        """Create an organisation of its own with a property, a widget and console users."""
        made = await make_world(self.pool)
        world = StackWorld(made.pool, made.org_id, made.properties)
        site = await create_site(self.client, world, self.responder, StackSite)
        assert isinstance(site, StackSite)
        return site

    async def send(self, settings: Settings, stop: asyncio.Event, _: Checks, clock: Clock) -> None:
        """Hand due messages over to the counting providers, as the sender process does."""
        worker = DeliveryWorker(
            self.pool, self.providers, clock, settings.send_lease_seconds, make_paces(settings)
        )
        signal = EventSignal([APPENDED])
        listening = asyncio.create_task(signal.listen(settings))
        try:
            await SendingLoop(self.pool, worker, stop, signal).run()
        finally:
            await end_tasks([listening])


@asynccontextmanager
async def open_stack(
    settings: Settings, owner_settings: Settings, pool: asyncpg.Pool
) -> AsyncIterator[RunningStack]:
    """Run an API and all processes that act on events."""
    responder, clock = EchoResponder(), Clock()
    settings = settings.model_copy(update={"http_port": 0})
    server = ApiServer(settings, create_app(settings, responder, clock))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with open_client(url_of(server)) as client:
        stack = RunningStack(settings, owner_settings, pool, client, clock, responder)
        works = (relay.work, projector.work, workflows.work, intake.work, stack.send)
        async with run_processes(settings, *works):
            yield stack
    server.should_exit = True
    await serving
