"""A run that waits for an event goes on when it arrives, whatever happens at the same moment."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from events.runs import RunStepReached, StepOutcome
from services.application import run_steps
from services.application.run_steps import StepReport
from services.application.unit_of_work import UnitOfWork
from services.deciders.runs import Run
from services.workflows import run_timers
from tests.conftest import until
from tests.services.application.workflow_harness import (
    HOUR,
    WorkflowHarness,
    make_harness,
    step,
    wait,
)
from tests.services.workflows.policy_bus import PolicyBus, open_policies
from tests.services.workflows.policy_histories import append, enrolments, replied


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    return await make_harness(pool)


@pytest.fixture
async def bus(harness: WorkflowHarness) -> PolicyBus:
    return await open_policies(harness.world)


async def start_run(harness: WorkflowHarness, bus: PolicyBus) -> tuple[UUID, UUID]:
    """Enrol a lead in a workflow that waits for a reply; its first step is due."""
    reply = step("reply", "wait_for_event", event="reply_received", limit_hours=100)
    await harness.create_workflow(reply, wait("rest", 1_000))
    lead = await harness.create_lead()
    await bus.fill()
    [run] = await enrolments(harness, lead)
    return lead, run.run_id


async def load_choice(harness: WorkflowHarness, run: UUID) -> tuple[Run, str | None]:
    [*_, last] = await harness.events_of("run", run)
    assert isinstance(last, RunStepReached)
    return await harness.load_run(run), last.choice


async def test_a_run_waits_until_the_event_arrives(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    lead, run = await start_run(harness, bus)
    await harness.move()
    assert (await harness.load_run(run)).waits_for == "reply_received"
    await append(harness, *replied(await harness.create_lead()))
    await append(harness, harness.world.engagement(lead, "price_check"))
    await bus.fill()
    assert (await harness.load_run(run)).waits_for == "reply_received"
    await append(harness, *replied(lead))
    await bus.fill()
    state, choice = await load_choice(harness, run)
    assert (state.waits_for, state.step_number, choice) == (None, 1, "reply_received")
    await append(harness, *replied(lead))
    await bus.fill()
    assert (await harness.load_run(run)) == state
    assert await harness.world.count("crm.policy_failures") == 0


async def test_a_run_that_is_not_signalled_goes_on_at_its_limit(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    _, run = await start_run(harness, bus)
    await harness.move()
    await harness.move(100 * HOUR)
    _, choice = await load_choice(harness, run)
    assert choice == "timeout"


async def test_an_event_at_the_moment_in_which_the_wait_begins_is_not_lost(
    harness: WorkflowHarness, bus: PolicyBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker has read the log, then the event comes, then the worker commits the wait."""
    lead, run = await start_run(harness, bus)
    has_read, may_commit = asyncio.Event(), asyncio.Event()
    reach = run_steps.reach_step

    async def pause(uow: UnitOfWork, run_id: UUID, *, attempts: int = 0) -> StepReport:
        report = await reach(uow, run_id, attempts=attempts)
        has_read.set()
        await may_commit.wait()
        return report

    monkeypatch.setattr(run_timers, "reach_step", pause)
    moving = asyncio.create_task(harness.move())
    await has_read.wait()
    await append(harness, *replied(lead))
    filling = asyncio.create_task(bus.fill())

    async def has_waited_or_ended() -> bool:
        return filling.done() or bool(await harness.world.count("pg_locks WHERE NOT granted"))

    await until(has_waited_or_ended)
    may_commit.set()
    await asyncio.gather(moving, filling)
    events = await harness.events_of("run", run)
    outcomes = [event.outcome for event in events if isinstance(event, RunStepReached)]
    assert outcomes == [StepOutcome.WAITING, StepOutcome.DONE]
