"""The worker of task timers: a task becomes due once, unless it is done."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.event import Event
from events.log.timers import TimerBacklog
from events.tasks import TaskDone, TaskDue
from events.timers import TimerKind
from services.deciders.tasks import CreateTask, FinishTask
from services.runtime.clock import Clock
from services.workflows.task_timers import mark_tasks_due_regularly, task_worker
from tests.conftest import until
from tests.services.application.workflow_harness import HOUR, WorkflowHarness, make_harness


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    return await make_harness(pool)


async def create_task(harness: WorkflowHarness) -> tuple[UUID, UUID]:
    lead, task = await harness.create_lead(), uuid4()
    await harness.execute(CreateTask(task, lead, "Call", due_at=harness.world.now + HOUR))
    return lead, task


async def let_pass(harness: WorkflowHarness, after: timedelta) -> int:
    harness.world.now += after
    backlog = TimerBacklog(TimerKind.TASK)
    return await task_worker(harness.world.pool).move_due(backlog, harness.world.now)


async def test_a_task_that_nobody_finished_is_due_once(harness: WorkflowHarness) -> None:
    lead, task = await create_task(harness)
    assert await let_pass(harness, HOUR - timedelta(seconds=1)) == 0
    assert await let_pass(harness, timedelta(seconds=1)) == 1
    assert await let_pass(harness, HOUR) == 0
    due = TaskDue(task_id=task, lead_id=lead, due_at=harness.world.now - HOUR)
    assert (await harness.events_of("task", task))[1:] == [due]


async def test_a_finished_task_is_never_due(harness: WorkflowHarness) -> None:
    lead, task = await create_task(harness)
    await harness.execute(FinishTask(task, lead))
    assert await let_pass(harness, 2 * HOUR) == 0
    assert (await harness.events_of("task", task))[1:] == [TaskDone(task_id=task, lead_id=lead)]


async def test_the_worker_marks_tasks_until_it_is_stopped(harness: WorkflowHarness) -> None:
    _, task = await create_task(harness)
    stop = asyncio.Event()
    work = asyncio.create_task(mark_tasks_due_regularly(harness.world.pool, stop, Clock()))

    async def list_events() -> list[Event]:
        return (await harness.events_of("task", task))[1:]

    await until(list_events)
    stop.set()
    await work
