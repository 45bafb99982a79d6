"""Senders that are killed while messages are planned."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from events.deliveries import DeliveryChannel, DeliveryPurpose, MessageClass
from events.record import Cause
from services.application.scope import Scope
from services.deciders.deliveries import PlanDelivery
from services.deciders.sending_rules.property_rules import KEY
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.commands import handle_command
from tests.conftest import until
from tests.forked import ForkedProcess
from tests.races.lying_server import SHORT_PAUSE, lying_server, name_sender, use_lying_server
from tests.races.message_account import Account, Kill, read_messages, take_account
from tests.services.adapters.provider_servers import HttpServer
from tests.world import World, make_world

SENDERS = 2
END_SECONDS = 60.0
NO_LIMITS = {"intents_per_lead": 1_000_000, "intents_per_hour": 1_000_000}


class Senders:
    """Two sender processes, so that one is left when the other is killed."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings, self.log = settings, log
        self.running: list[tuple[str, ForkedProcess]] = []
        self.kills: list[Kill] = []
        self._numbers = count(1)

    async def start(self, change: str = "") -> tuple[str, ForkedProcess]:
        """Start a sender; return its name and its process."""
        name = f"sender-{next(self._numbers)}"
        settings = name_sender(self.settings, name)
        change = SHORT_PAUSE + change
        process = ForkedProcess("sender", settings, self.log / "sender.log", change)
        await process.start()
        return name, process

    async def kill_one(self, number: int) -> None:
        """Send SIGKILL to a sender and start another."""
        name, process = self.running[number]
        began_at = datetime.now(UTC)
        process.kill()
        await process.wait(END_SECONDS)
        self.kills.append(Kill(name, began_at, datetime.now(UTC)))
        self.running[number] = await self.start()


@asynccontextmanager
async def run_senders(settings: Settings, log: Path, number: int) -> AsyncIterator[Senders]:
    """Run sender processes during a block."""
    senders = Senders(settings, log)
    senders.running = [await senders.start() for _ in range(number)]
    try:
        yield senders
    finally:
        for _, process in senders.running:
            process.stop()
        await asyncio.gather(*(process.wait(END_SECONDS) for _, process in senders.running))


@dataclass
class MessagePlanner:
    """Plans messages, each with a text of its own, until it is stopped."""

    world: World
    leads: list[tuple[UUID, UUID]] = field(default_factory=list)
    planned: list[UUID] = field(default_factory=list)

    async def add_leads(self, number: int) -> None:
        """Add leads to each property, and lift the limits of the properties."""
        for property_id in self.world.properties:
            await self.world.pool.execute(
                "UPDATE properties SET settings = settings || $2 WHERE id = $1",
                property_id,
                {KEY: NO_LIMITS},
            )
            for _ in range(number):
                phone = f"+1212557{len(self.leads):04d}"
                captured = self.world.captured(uuid4(), email=None, phone=phone)
                await self.world.append(self.world.new(captured, property_id=property_id))
                self.leads.append((property_id, captured.lead_id))

    async def plan(self) -> UUID:
        """Plan a message that answers an act of the lead, so that it may leave at any hour."""
        property_id, lead_id = self.leads[len(self.planned) % len(self.leads)]
        now, body = Clock().now(), f"message {len(self.planned)}"
        delivery_id = uuid4()
        self.planned.append(delivery_id)
        scope = Scope(self.world.org_id, property_id, now, Cause("test"))
        command = PlanDelivery(
            delivery_id, lead_id, DeliveryChannel.SMS, DeliveryPurpose.TOUR_CONFIRMATION, now, body,
            message_class=MessageClass.TRANSACTIONAL, caused_at=now,
        )  # fmt: skip
        await handle_command(self.world.pool, scope, command)
        return delivery_id

    async def plan_until(self, stop_event: asyncio.Event, server: HttpServer) -> None:
        """Plan messages, some more than the provider got so far."""
        while not stop_event.is_set():
            if len(self.planned) < server.posted + 100:
                await self.plan()
            else:
                await asyncio.sleep(0.02)  # the provider is to work off what is planned


async def kill_under_sending(
    settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, log: Path, *, kills: int
) -> Account:
    """Kill senders and database sessions; check that no message is sent twice and none is lost."""
    chance = random.Random(kills)
    world = await make_world(pool, properties=4)
    planner = MessagePlanner(world)
    await planner.add_leads(25)
    async with lying_server(kills) as server:
        settings = use_lying_server(settings, server)
        stop_planning = asyncio.Event()
        async with run_senders(settings, log, SENDERS) as senders:
            planning = asyncio.create_task(planner.plan_until(stop_planning, server))
            try:
                for number in range(kills):
                    target = server.posted + chance.randint(1, 20)
                    await until(lambda target=target: server.posted >= target)  # type: ignore[misc]
                    if number % 5 == 4:
                        senders.kills.append(await terminate_sessions(owner_pool))
                    else:
                        await senders.kill_one(chance.randrange(SENDERS))
            finally:
                stop_planning.set()
                await planning
            await until(lambda: has_no_timers(pool), 300)
    messages = await read_messages(pool)
    assert {message.delivery_id for message in messages} == set(planner.planned)
    return take_account(messages, server, senders.kills)


async def terminate_sessions(owner_pool: asyncpg.Pool) -> Kill:
    """End all database sessions of the senders, as a crash of PostgreSQL does."""
    began_at = datetime.now(UTC)
    await owner_pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'crm sender'"
    )
    return Kill("postgres", began_at, datetime.now(UTC))


async def has_no_timers(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval("SELECT count(*) FROM crm.timers WHERE kind = 'delivery'")
