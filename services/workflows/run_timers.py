"""The worker of the timers of runs: it does the steps that are due."""

import asyncio
from collections.abc import Sequence

import asyncpg

from events.log.timers import DueTimer
from events.record import Stream
from events.timers import TimerKind
from services.application.run_steps import Progress, reach_step
from services.application.unit_of_work import UnitOfWork
from services.deciders import runs
from services.runtime.clock import Clock
from services.runtime.event_signal import EventSignal
from services.workflows.timer_worker import TimerReport, TimerWorker


async def move_runs_regularly(
    pool: asyncpg.Pool, stop: asyncio.Event, clock: Clock, signal: EventSignal | None = None
) -> None:
    """Move the runs whose timers are due, until stopped."""
    await run_worker(pool).run(stop, clock, signal)


def run_worker(pool: asyncpg.Pool) -> TimerWorker:
    """Return the worker of the timers of runs."""
    return TimerWorker(pool, TimerKind.RUN, move_run, read_runs)


async def read_runs(uow: UnitOfWork, claimed: Sequence[DueTimer]) -> None:
    """Read the runs, and then their leads and definitions, with one query each."""
    await uow.read_ahead(Stream("run", timer.entity_id) for timer in claimed)
    states = [await uow.load(runs.decider, timer.entity_id) for timer in claimed]
    await uow.read_ahead([
        *(Stream("lead", run.lead_id) for run in states if run.lead_id),
        *(Stream("definition", run.definition_id) for run in states if run.definition_id),
    ])  # fmt: skip


async def move_run(uow: UnitOfWork, timer: DueTimer) -> TimerReport:
    """Do the step of a run that is due."""
    report = await reach_step(uow, timer.entity_id, attempts=timer.attempts)
    return TimerReport(report.progress is Progress.IDLE, report.retry_at, report.reason)
