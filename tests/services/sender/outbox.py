"""A lead with messages to send, and a sender whose clock only the test moves."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from events.deliveries import DeliveryChannel, DeliveryPurpose, MessageClass
from events.record import Cause
from events.timers import TimerKind
from services.application.scope import Scope
from services.deciders.deliveries import PlanDelivery
from services.deciders.sending_rules.property_rules import KEY
from services.runtime.clock import Clock
from services.sender.delivery_worker import DeliveryWorker
from services.sender.provider_pace import ProviderPace
from tests.commands import handle_command
from tests.services.sender.counting_provider import CountingProvider
from tests.stored_events import read_stored_events
from tests.world import World, make_world

PHONE, EMAIL = "+12125550123", "ada@example.com"
NOON = datetime(2026, 3, 3, 17, tzinfo=UTC)
"""Noon of a Tuesday in New York, where the property of `make_world` is."""
LEASE_SECONDS = 60.0


class SetClock(Clock):
    """A clock that stands still until a test moves it."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.at = at

    def now(self) -> datetime:
        return self.at


@dataclass
class Outbox:
    """A property with one lead, a counting provider for each channel, and a worker."""

    world: World
    lead_id: UUID
    clock: SetClock
    providers: dict[DeliveryChannel, CountingProvider] = field(default_factory=dict)
    paces: dict[DeliveryChannel, ProviderPace] = field(default_factory=dict)

    @property
    def sms(self) -> CountingProvider:
        return self.providers[DeliveryChannel.SMS]

    @property
    def email(self) -> CountingProvider:
        return self.providers[DeliveryChannel.EMAIL]

    @property
    def property_id(self) -> UUID:
        return self.world.properties[0]

    @property
    def scope(self) -> Scope:
        return Scope(self.world.org_id, self.property_id, self.clock.now(), Cause("test"))

    def worker(self, lease_seconds: float = LEASE_SECONDS) -> DeliveryWorker:
        return DeliveryWorker(
            self.world.pool, self.providers, self.clock, lease_seconds, self.paces
        )

    def command(self, channel: DeliveryChannel = DeliveryChannel.SMS, **more: Any) -> PlanDelivery:
        """Return the command for a message that is due now; `more` replaces its fields."""
        values: dict[str, Any] = {
            "delivery_id": uuid4(), "lead_id": self.lead_id, "channel": channel,
            "purpose": DeliveryPurpose.MANUAL, "due_at": self.clock.now(), "body": "Hello",
            "subject": "News", "message_class": MessageClass.CONVERSATIONAL,
        }  # fmt: skip
        return PlanDelivery(**values | more)

    async def plan(self, channel: DeliveryChannel = DeliveryChannel.SMS, **more: Any) -> UUID:
        """Plan a message and return its id."""
        command = self.command(channel, **more)
        await self.do(command)
        return command.delivery_id

    async def set_rules(self, **rules: Any) -> None:
        """Set the limits of the property for messages."""
        await self.world.pool.execute(
            "UPDATE properties SET settings = settings || $2 WHERE id = $1",
            self.property_id,
            {KEY: rules},
        )

    async def do(self, command: object) -> None:
        await handle_command(self.world.pool, self.scope, command)

    async def send(self, *delivery_ids: UUID) -> None:
        """Let the worker process these messages, or all that are due."""
        worker, turn = self.worker(), asyncio.Lock()
        for delivery_id in delivery_ids or await self.due():
            await worker.process(self.property_id, delivery_id, turn)

    async def due(self) -> Sequence[UUID]:
        rows = await self.world.pool.fetch(
            "SELECT entity_id FROM crm.timers WHERE kind = $1 AND queue_at <= $2 "
            "ORDER BY queue_at, entity_id",
            TimerKind.DELIVERY,
            self.clock.now(),
        )
        return [row["entity_id"] for row in rows]

    async def events(self, delivery_id: UUID) -> list[tuple[str, dict[str, Any]]]:
        """Return type without its noun, and payload, of each event of a message."""
        rows = await read_stored_events(self.world.pool, "entity_id = $1", delivery_id)
        return [(row["event_type"].removeprefix("delivery."), row["payload"]) for row in rows]

    async def steps(self, delivery_id: UUID) -> list[str]:
        """Return the types of the events of a message, `held` and `skipped` with their reason."""
        return [
            f"{name} {payload['reason']}" if name in ("held", "skipped") else name
            for name, payload in await self.events(delivery_id)
        ]

    def pass_time(self, **duration: float) -> None:
        self.clock.at += timedelta(**duration)


async def make_outbox(pool: asyncpg.Pool, at: datetime = NOON, **details: Any) -> Outbox:
    """Return an outbox whose lead has an e-mail address and a phone number."""
    world = await make_world(pool)
    world.now = at - timedelta(days=1)
    captured = world.captured(**{"email": EMAIL, "phone": PHONE, **details})
    await world.append(world.new(captured))
    providers = {channel: CountingProvider(channel) for channel in DeliveryChannel}
    paces = {channel: ProviderPace(0) for channel in DeliveryChannel}
    return Outbox(world, captured.lead_id, SetClock(at), providers, paces)
