"""A property with templates, workflow definitions and leads, and the worker that moves runs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from events.event import Event
from events.log import read
from events.log.timers import TimerBacklog
from events.record import Cause, Stream
from events.timers import TimerKind
from events.workflows import MessageChannel, Step, StepAction
from services.application.command_handler import transact
from services.application.enrolment import TriggerEvent, enrol
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders import runs
from services.deciders.leads import CaptureLead, Details
from services.deciders.runs import Run
from services.deciders.templates import DefineTemplate, TemplateContent
from services.deciders.workflows import (
    ActivateWorkflow,
    DefineWorkflow,
    Trigger,
    WorkflowContent,
)
from services.workflows.run_timers import run_worker
from tests.commands import handle_command
from tests.world import World, make_world

HOUR = timedelta(hours=1)
PHONE = "+15125550123"


@dataclass
class WorkflowHarness:
    """Commands of one property, and runs that the worker moves when the test moves the clock."""

    world: World
    templates: dict[str, UUID] = field(default_factory=dict)
    backlog: TimerBacklog = field(default_factory=lambda: TimerBacklog(TimerKind.RUN))

    @property
    def property_id(self) -> UUID:
        return self.world.properties[0]

    @property
    def scope(self) -> Scope:
        world = self.world
        return Scope(world.org_id, self.property_id, world.now, Cause("test"))

    async def execute(self, command: object) -> list[Event]:
        outcome = await handle_command(self.world.pool, self.scope, command)
        return [event for _, event in outcome.events]

    async def create_template(
        self, slug: str, body: str = "Hi {{first_name}}!", channel: str = "sms"
    ) -> UUID:
        template_id = self.templates.setdefault(slug, uuid4())
        subject = "Hello" if channel == "email" else None
        content = TemplateContent(slug, slug, MessageChannel(channel), body, subject)
        await self.execute(DefineTemplate(template_id, content))
        return template_id

    async def create_workflow(self, *steps: Step, is_active: bool = True, **more: Any) -> UUID:
        """Define a workflow with these steps and activate it."""
        definition_id = uuid4()
        content = WorkflowContent("Flow", more.pop("trigger", Trigger.LEAD_CREATED), steps, **more)
        await self.execute(DefineWorkflow(definition_id, content))
        if is_active:
            channels = {
                step.template_slug: MessageChannel(step.action)
                for step in steps if step.template_slug
            }  # fmt: skip
            await self.execute(ActivateWorkflow(definition_id, channels))
        return definition_id

    async def restore_template(self, slug: str) -> None:
        """Define a new version of a retired template."""
        await self.create_template(slug, "Hi again {{first_name}}!")

    async def redefine(self, definition_id: UUID, *steps: Step, **more: Any) -> None:
        """Define the next version of a workflow."""
        content = WorkflowContent("Flow", more.pop("trigger", Trigger.LEAD_CREATED), steps, **more)
        channels = dict.fromkeys(self.templates, MessageChannel.SMS)
        await self.execute(DefineWorkflow(definition_id, content, channels))

    async def create_lead(self, **details: str) -> UUID:
        lead_id = uuid4()
        values: dict[str, Any] = {"first_name": "Ada", "phone": PHONE, **details}
        await self.execute(CaptureLead(lead_id, Details(**values)))
        return lead_id

    async def enrol(self, definition_id: UUID, lead_id: UUID, **trigger: Any) -> UUID:
        """Enrol a lead because of a trigger event of now."""
        values = {"name": "lead_created", "event_id": uuid4(), "occurred_at": self.world.now}
        event = TriggerEvent(**{**values, **trigger})

        async def work(uow: UnitOfWork) -> UUID:
            return await enrol(uow, definition_id, lead_id, event)

        return (await transact(self.world.pool, self.scope, work)).result

    async def move(self, after: timedelta = timedelta()) -> int:
        """Let time pass, then let the worker do what is due; return how many timers it claimed."""
        self.world.now += after
        moved = 0
        while claimed := await run_worker(self.world.pool).move_due(self.backlog, self.world.now):
            moved += claimed
        return moved

    async def load_run(self, run_id: UUID) -> Run:
        async def work(uow: UnitOfWork) -> Run:
            return await uow.load(runs.decider, run_id)

        return (await transact(self.world.pool, self.scope, work)).result

    async def events_of(self, entity_type: str, entity_id: UUID) -> list[Event]:
        async with self.world.pool.acquire() as conn:
            recorded_events = await read.streams(conn, [Stream(entity_type, entity_id)])
        return [recorded.event for recorded in recorded_events if isinstance(recorded.event, Event)]

    async def names_of(self, lead_id: UUID) -> list[str]:
        """Return the event types of a lead in the order of the log."""
        rows = await self.world.pool.fetch(
            "SELECT event_type FROM crm_events WHERE lead_id = $1 ORDER BY seq", lead_id
        )
        return [row["event_type"] for row in rows]

    async def timers(self) -> list[tuple[UUID, datetime, int, str | None]]:
        """Return (run, queue time, attempts, error) of all timers of runs."""
        rows = await self.world.pool.fetch(
            "SELECT entity_id, queue_at, attempts, error FROM crm.timers WHERE kind = 'run' "
            "ORDER BY queue_at"
        )
        return [tuple(row.values()) for row in rows]


async def make_harness(pool: asyncpg.Pool) -> WorkflowHarness:
    return WorkflowHarness(await make_world(pool))


def sms(step_id: str, delay_hours: float = 1, slug: str = "hello", **options: Any) -> Step:
    return Step(id=step_id, delay_hours=delay_hours, action=StepAction.SMS, template_slug=slug,
                options=options)  # fmt: skip


def wait(step_id: str, delay_hours: float = 1) -> Step:
    return Step(id=step_id, delay_hours=delay_hours, action=StepAction.WAIT)


def step(step_id: str, action: str, delay_hours: float = 0, **options: Any) -> Step:
    return Step(id=step_id, delay_hours=delay_hours, action=StepAction(action), options=options)
