"""The worker of the timers of tasks: one that nobody finished in time becomes due."""

import asyncio

import asyncpg

from events.log.timers import DueTimer
from events.timers import TimerKind
from services.application.unit_of_work import UnitOfWork
from services.deciders import tasks
from services.deciders.tasks import MarkTaskDue
from services.runtime.clock import Clock
from services.runtime.event_signal import EventSignal
from services.workflows.timer_worker import TimerReport, TimerWorker


async def mark_tasks_due_regularly(
    pool: asyncpg.Pool, stop: asyncio.Event, clock: Clock, signal: EventSignal | None = None
) -> None:
    """Mark the tasks whose timers are due, until stopped."""
    await task_worker(pool).run(stop, clock, signal)


def task_worker(pool: asyncpg.Pool) -> TimerWorker:
    """Return the worker of the timers of tasks."""
    return TimerWorker(pool, TimerKind.TASK, mark_due)


async def mark_due(uow: UnitOfWork, timer: DueTimer) -> TimerReport:
    """Record that a task is due."""
    task = await uow.load(tasks.decider, timer.entity_id)
    if task.lead_id is None:
        return TimerReport(is_idle=True)
    marked = await uow.execute(MarkTaskDue(timer.entity_id, task.lead_id, uow.scope.at))
    return TimerReport(is_idle=not marked)
