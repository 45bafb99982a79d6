"""The simulator: send actions at a rate by HTTP, by Kafka, or by both as real traffic comes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID, uuid5

from services.intake.publish import structured_event
from services.simulation.http_requests import HttpSender
from services.simulation.kafka_records import SOURCE, RecordBuilder
from services.simulation.record_sender import RecordSender
from services.simulation.scenario import (
    Action,
    PhoneCall,
    SimulatedEngagement,
    generate_actions,
)
from services.simulation.simulated_property import SimulatedProperty

Through: TypeAlias = Literal["http", "kafka", "both"]


async def _create_nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """The traffic to simulate and its target. `rate`: actions per second; 0 is unlimited."""

    seed: int
    leads: int
    rate: float
    through: Through
    start: datetime
    properties: list[SimulatedProperty]
    bootstrap_servers: str
    topic: str
    url: str = ""
    create_topic: Callable[[], Awaitable[None]] = _create_nothing
    """Called after an outage of the broker, which may have lost the topic."""


@dataclass(slots=True)
class SimulationResult:
    """The numbers of actions, of events sent to Kafka, and of HTTP responses by status."""

    actions: int = 0
    events: int = 0
    status_counts: Counter[int] = field(default_factory=Counter)


async def simulate(
    plan: SimulationPlan, advance: Callable[[Action], None] = lambda _action: None
) -> SimulationResult:
    """Send all actions of a plan; call `advance` after each.

    A broker that restarts is waited for. Other connection errors are raised.
    """
    result = SimulationResult()
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with AsyncExitStack() as stack:
        channels = await _Channels.open(plan, stack)
        for action in generate_actions(plan.seed, plan.leads, len(plan.properties)):
            if plan.rate > 0:
                await asyncio.sleep(max(0.0, started + result.actions / plan.rate - loop.time()))
            result.events += await channels.send(action)
            result.actions += 1
            advance(action)
        await channels.flush()
        if channels.http is not None:
            result.status_counts = channels.http.status_counts
    return result


class _Channels:
    """The HTTP client and the Kafka producer that a plan uses: one of them, or both."""

    def __init__(
        self, plan: SimulationPlan, records: RecordSender | None, http: HttpSender | None
    ) -> None:
        self.plan, self.records, self.http = plan, records, http
        self._builder = RecordBuilder(plan.properties, plan.start)

    @classmethod
    async def open(cls, plan: SimulationPlan, stack: AsyncExitStack) -> "_Channels":
        records, http = None, None
        if plan.through != "http":
            records = RecordSender(plan.bootstrap_servers, plan.topic, plan.create_topic)
            stack.push_async_callback(records.close)
            await records.open()
        if plan.through != "kafka":
            http = HttpSender(plan.url, plan.properties)
            stack.push_async_callback(http.close)
        return cls(plan, records, http)

    async def send(self, action: Action) -> int:
        """Send an action; return how many events went to Kafka."""
        if self.http is None:
            return await self._publish(list(self._builder.build(action)), action)
        is_reported = isinstance(action.detail, SimulatedEngagement | PhoneCall)
        if self.plan.through == "both" and is_reported:
            lead = self.http.leads.get(action.visitor.number)
            events = [] if lead is None else [self._report(action, lead)]
            return await self._publish(events, action)
        await self.http.send(action)
        return 0

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything that was sent."""
        if self.records is not None:
            await self.records.flush()

    async def _publish(self, events: list[bytes], action: Action) -> int:
        property_ = self.plan.properties[action.visitor.property_index]
        if self.records is not None:
            for event in events:
                await self.records.send(event, property_.property_id)
        return len(events)

    def _report(self, action: Action, lead: str) -> bytes:
        """Build the event of the mail or telephone system, which uses the API's lead ids."""
        if isinstance(action.detail, SimulatedEngagement):
            key = uuid5(UUID(lead), f"engagement/{action.detail.number}")
            name, data = "engagement.recorded", {
                "engagement_id": key, "lead_id": lead, "event_type": action.detail.type,
            }  # fmt: skip
        else:
            key = uuid5(UUID(lead), "call")
            name, data = "activity.recorded", {
                "activity_id": key, "lead_id": lead, "type": "call_made",
            }  # fmt: skip
        property_ = self.plan.properties[action.visitor.property_index]
        return structured_event(
            name, data, ce_id=str(key), source=SOURCE, property_id=property_.property_id
        )
