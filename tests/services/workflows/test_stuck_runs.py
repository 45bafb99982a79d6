"""Runs that make no progress: found within a minute, with their reason, and repaired."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.application.command_handler import transact
from services.application.stuck_runs import StuckRun, list_stuck_runs, repair_run
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.runs import PauseRun, RunStatus
from services.deciders.templates import RetireTemplate
from services.runtime import metrics
from services.workflows.stuck_runs import count_stuck_runs
from tests.services.application.workflow_harness import (
    HOUR,
    WorkflowHarness,
    make_harness,
    sms,
    wait,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    harness = await make_harness(pool)
    await harness.create_template("hello")
    return harness


async def stuck(harness: WorkflowHarness) -> list[StuckRun]:
    async with harness.world.pool.acquire() as conn:
        return await list_stuck_runs(conn, harness.world.now)


async def repair(harness: WorkflowHarness, run_id: UUID) -> None:
    async def work(uow: UnitOfWork) -> None:
        await repair_run(uow, run_id)

    await transact(harness.world.pool, harness.scope, work)


async def start(harness: WorkflowHarness) -> tuple[UUID, UUID]:
    lead = await harness.create_lead()
    return lead, await harness.enrol(await harness.create_workflow(sms("hi"), wait("rest")), lead)


async def test_a_run_that_waits_or_goes_on_is_not_stuck(harness: WorkflowHarness) -> None:
    lead, run = await start(harness)
    await harness.world.project()
    harness.world.now += HOUR + MINUTE
    assert await stuck(harness) == []
    await harness.move()
    await harness.world.project()
    await harness.execute(PauseRun(run, lead, harness.world.now))
    await harness.world.project()
    harness.world.now += HOUR
    assert await stuck(harness) == []


async def test_a_blocked_run_is_listed_with_its_reason_and_repaired(
    harness: WorkflowHarness,
) -> None:
    _, run = await start(harness)
    await harness.execute(RetireTemplate(harness.templates["hello"]))
    await harness.move(HOUR)
    [found] = await stuck(harness)
    assert (found.run_id, found.code, found.attempts) == (run, "blocked", 1)
    assert "needs the template hello" in found.reason
    await count_stuck_runs(harness.world.pool, harness.world.now)
    labels = (str(harness.world.org_id), str(harness.property_id), "blocked")
    assert metrics.STUCK_RUNS.labels(*labels)._value.get() == 1
    await harness.restore_template("hello")
    assert await harness.move() == 0, "the next attempt is later"
    await repair(harness, run)
    assert await harness.move() == 1
    assert (await harness.load_run(run)).step_number == 1
    assert await stuck(harness) == []


async def test_a_step_that_no_worker_does_is_found_after_a_minute(harness: WorkflowHarness) -> None:
    _, run = await start(harness)
    harness.world.now += HOUR + MINUTE + timedelta(seconds=1)
    assert [(found.run_id, found.code) for found in await stuck(harness)] == [(run, "overdue")]


async def test_a_lost_timer_is_found_and_set_again(harness: WorkflowHarness) -> None:
    _, run = await start(harness)
    await harness.world.project()
    await harness.world.pool.execute("DELETE FROM crm.timers")
    harness.world.now += 2 * MINUTE
    assert [(found.run_id, found.code) for found in await stuck(harness)] == [(run, "lost_timer")]
    await repair(harness, run)
    assert await harness.move() == 0, "the step keeps its due time"
    assert await harness.move(HOUR) == 1
    assert (await harness.load_run(run)).step_number == 1


async def test_a_run_whose_lead_is_parked_is_listed(harness: WorkflowHarness) -> None:
    lead, run = await start(harness)
    await harness.world.project()
    await harness.world.pool.execute(
        "INSERT INTO crm.parked (projection_group, event_id, shard, position, touches, reason, "
        "detail, behind) VALUES ('live', gen_random_uuid(), 0, 1, ARRAY[$1::uuid], 'bad_row', '', "
        "false)", lead,
    )  # fmt: skip
    [found] = await stuck(harness)
    assert (found.run_id, found.code, found.reason) == (run, "parked", "bad_row")


async def test_a_repair_repeats_nothing(harness: WorkflowHarness) -> None:
    _, run = await start(harness)
    await harness.move(HOUR)
    for _ in range(3):
        await repair(harness, run)
        await harness.move()
    assert await harness.world.count("crm_events WHERE event_type = 'delivery.planned'") == 1
    await harness.move(HOUR)
    assert (await harness.load_run(run)).status is RunStatus.COMPLETED
    with pytest.raises(Refused, match="only an active run"):
        await repair(harness, run)
