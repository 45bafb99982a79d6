"""The worker of the timers of tours: a tour that nobody completed becomes a no-show.

The timer of a tour is due one hour after its end. A tour that was completed, cancelled or moved
meanwhile has no timer any more, or a later one.
"""

import asyncio
from datetime import timedelta

import asyncpg

from events.log.timers import DueTimer
from events.timers import NO_SHOW_DELAY, TimerKind
from services.application.unit_of_work import UnitOfWork
from services.deciders import tour_outcomes
from services.deciders.tour_outcomes import RecordNoShow
from services.deciders.tours import LIVE
from services.runtime.clock import Clock
from services.runtime.event_signal import EventSignal
from services.workflows.timer_worker import TimerReport, TimerWorker


async def record_no_shows_regularly(
    pool: asyncpg.Pool, stop: asyncio.Event, clock: Clock, signal: EventSignal | None = None
) -> None:
    """Record the no-shows of tours whose timers are due, until stopped."""
    await no_show_worker(pool).run(stop, clock, signal)


def no_show_worker(pool: asyncpg.Pool) -> TimerWorker:
    """Return the worker of the timers of tours."""
    return TimerWorker(pool, TimerKind.TOUR, record_no_show)


async def record_no_show(uow: UnitOfWork, timer: DueTimer) -> TimerReport:
    """Record that nobody came to a tour, if it is still open one hour after its end."""
    tour_id = timer.entity_id
    tour = await uow.load(tour_outcomes.decider, tour_id)
    if tour.lead_id is None or tour.starts_at is None or tour.status not in LIVE:
        return TimerReport(is_idle=True)
    due_at = tour.starts_at + timedelta(minutes=tour.duration_minutes) + NO_SHOW_DELAY
    if due_at > uow.scope.at:
        return TimerReport(retry_at=due_at)
    await uow.execute(RecordNoShow(tour_id, tour.lead_id, at=uow.scope.at))
    return TimerReport()
