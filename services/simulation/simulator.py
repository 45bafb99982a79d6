"""Acting stories out at a rate, by HTTP, by Kafka, or as real traffic comes: by both."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID, uuid5

from services.intake.publish import producing, send, structured
from services.simulation.http_requests import Actor
from services.simulation.kafka_records import SOURCE, Reporter
from services.simulation.property import Home
from services.simulation.scenario import Deed, Does, IsCalled, stories

Through: TypeAlias = Literal["http", "kafka", "both"]
IN_FLIGHT_AT_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of which story, and where it goes. `rate`: deeds a second, 0 as fast as it goes."""

    seed: int
    leads: int
    rate: float
    through: Through
    start: datetime
    homes: list[Home]
    bootstrap_servers: str
    topic: str
    url: str = ""


@dataclass(slots=True)
class Simulated:
    """What was done: deeds, events sent by Kafka, answers by HTTP status."""

    deeds: int = 0
    events: int = 0
    answers: Counter[int] = field(default_factory=Counter)


async def simulate(plan: Plan, advance: Callable[[Deed], None] = lambda _deed: None) -> Simulated:
    """Act the plan out. Raises what the broker and the API's connection raise when away."""
    done = Simulated()
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with AsyncExitStack() as stack:
        stage = await _Stage.enter(plan, stack)
        for deed in stories(plan.seed, plan.leads, len(plan.homes)):
            if plan.rate > 0:
                await asyncio.sleep(max(0.0, began + done.deeds / plan.rate - loop.time()))
            done.events += await stage.act(deed)
            done.deeds += 1
            advance(deed)
        await stage.land()
        if stage.actor is not None:
            done.answers = stage.actor.answers
    return done


class _Stage:
    """The way, or ways, that deeds take."""

    def __init__(self, plan: Plan, producer: object, actor: Actor | None) -> None:
        self.plan, self.producer, self.actor = plan, producer, actor
        self._reporter = Reporter(plan.homes, plan.start)
        self._flying: list[asyncio.Future[object]] = []

    @classmethod
    async def enter(cls, plan: Plan, stack: AsyncExitStack) -> "_Stage":
        producer, actor = None, None
        if plan.through != "http":
            producer = await stack.enter_async_context(producing(plan.bootstrap_servers))
        if plan.through != "kafka":
            actor = Actor(plan.url, plan.homes)
            stack.push_async_callback(actor.close)
        return cls(plan, producer, actor)

    async def act(self, deed: Deed) -> int:
        """Do it; how many events went to Kafka."""
        if self.actor is None:
            return await self._report(list(self._reporter.events(deed)), deed)
        if self.plan.through == "both" and isinstance(deed.what, Does | IsCalled):
            lead = self.actor.leads.get(deed.who.number)
            return await self._report([] if lead is None else [self._seen(deed, lead)], deed)
        await self.actor.act(deed)
        return 0

    async def land(self) -> None:
        """Wait until everything sent is acknowledged."""
        await asyncio.gather(*self._flying)
        self._flying.clear()

    async def _report(self, events: list[bytes], deed: Deed) -> int:
        home = self.plan.homes[deed.who.home]
        for event in events:
            flying = await send(self.producer, self.plan.topic, event, home.property_id)
            self._flying.append(flying)
        if len(self._flying) >= IN_FLIGHT_AT_MOST:
            await self.land()
        return len(events)

    def _seen(self, deed: Deed, lead: str) -> bytes:
        """Mail and telephone report about leads by the ids that the API gave them."""
        if isinstance(deed.what, Does):
            key = uuid5(UUID(lead), f"engagement/{deed.what.number}")
            name, said = "engagement.recorded", {
                "engagement_id": key, "lead_id": lead, "event_type": deed.what.what,
            }  # fmt: skip
        else:
            key = uuid5(UUID(lead), "call")
            name, said = "activity.recorded", {
                "activity_id": key, "lead_id": lead, "type": "call_made",
            }  # fmt: skip
        home = self.plan.homes[deed.who.home]
        return structured(name, said, ce_id=str(key), source=SOURCE, property_id=home.property_id)
