"""The workflows process: policies that consume the bus, and the timers of runs, tours and tasks."""

import asyncio
from collections.abc import Awaitable

import asyncpg

from events.log import sequencer
from projections.engine.checkpoints import WrongVersion
from projections.engine.head_checkpoints import create_at_heads
from services.application.policy_group import POLICIES
from services.event_consumer.metrics import GroupMetrics
from services.event_consumer.process import ConsumerOptions, consume_events
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS, pooled
from services.runtime.event_signal import EventSignal
from services.runtime.garbage_collection import collect_rarely
from services.runtime.logging import get_logger
from services.runtime.process import Checks, sleep_unless
from services.runtime.settings import Settings
from services.workflows import policy_failures, policy_retries
from services.workflows.policies.catalog import CATALOG
from services.workflows.policy_pipeline import (
    BATCH_EVENTS,
    LEADS_AT_ONCE,
    PolicyPipeline,
)
from services.workflows.policy_runner import PolicyRunner
from services.workflows.run_timers import move_runs_regularly
from services.workflows.stuck_runs import count_stuck_runs_regularly
from services.workflows.task_timers import mark_tasks_due_regularly
from services.workflows.tour_timers import record_no_shows_regularly

OPTIONS = ConsumerOptions(
    beyond_log="the policies' checkpoints of shards {shards} are beyond the log, so new events do "
    "not reach the policies: begin a generation with `crm log begin-generation --yes`",
    batch_events=BATCH_EVENTS,
    group_metrics=GroupMetrics(
        metrics.POLICY_EVENTS, metrics.POLICY_LAG_EVENTS, metrics.POLICY_LAG_SECONDS
    ),
)
POOL_SIZE = LEADS_AT_ONCE + 6
POLL_SECONDS = 1.0
COUNT_SECONDS = 5.0
"""Time between two counts of the failures for the metric while none is tried again."""
RETRY_ERRORS = (*CONNECTION_ERRORS, *TRANSACTION_ERRORS)

log = get_logger("workflows")


async def work(settings: Settings, stop: asyncio.Event, checks: Checks, clock: Clock) -> None:
    """Run the process until stopped. After a new generation of the log, go on with its events."""
    collect_rarely()
    async with pooled(settings, "crm workflows", size=POOL_SIZE) as pool:
        while not stop.is_set():
            try:
                await _consume(settings, pool, stop, checks, clock)
            except WrongVersion as error:
                log.warning("workflows.log_changed", problem=error, is_retry=True)
                await sleep_unless(stop, POLL_SECONDS)


async def _consume(
    settings: Settings, pool: asyncpg.Pool, stop: asyncio.Event, checks: Checks, clock: Clock
) -> None:
    async with pool.acquire() as conn, conn.transaction():
        state = await sequencer.read_log_state(conn)
        await create_at_heads(conn, POLICIES.name, POLICIES.version, state.generation)
    runner = PolicyRunner(pool, clock, CATALOG)
    pipeline = PolicyPipeline(runner, state.generation)
    signal = EventSignal(safety_seconds=settings.safety_poll_seconds)

    async def check_failures() -> str | None:
        return await policy_failures.find_recent_problem(pool)

    await consume_events(
        settings, stop, checks, pipeline, state, OPTIONS, {"policies": check_failures},
        _retry_failures(runner), _until_cancelled(move_runs_regularly(pool, stop, clock, signal)),
        _until_cancelled(record_no_shows_regularly(pool, stop, clock, signal)),
        _until_cancelled(mark_tasks_due_regularly(pool, stop, clock, signal)),
        _until_cancelled(count_stuck_runs_regularly(pool, stop, clock)),
        signal=signal,
    )  # fmt: skip


async def _until_cancelled(work: Awaitable[None]) -> None:
    """Do the work, which ends when the process is stopped, and then let the consumer end first."""
    await work
    await asyncio.Event().wait()


async def _retry_failures(runner: PolicyRunner) -> None:
    """Try failures of policies again when they are due, until cancelled."""
    loop = asyncio.get_running_loop()
    count_at = loop.time()
    while True:
        try:
            tried = await policy_retries.retry_due(runner)
            if tried or loop.time() >= count_at:
                await policy_failures.update_metrics(runner.pool)
                count_at = loop.time() + COUNT_SECONDS
        except RETRY_ERRORS as error:
            log.warning("workflows.database_away", error=error, is_retry=True)
            tried = 0
        if not tried:
            await asyncio.sleep(POLL_SECONDS)
