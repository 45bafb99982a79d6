"""The worker of run timers on a real database: from the enrolment to the end of a run."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from events.consents import ConsentChannel
from events.deliveries import DeliveryPlanned, MessageClass
from events.leads import LeadStatus
from events.log.timers import TimerBacklog
from events.runs import RunConverted, RunStepReached, RunStopped
from events.timers import TimerKind
from events.workflows import ExitEvent
from services.application import run_steps
from services.application.run_steps import RETRY_DELAYS, StepReport
from services.application.unit_of_work import UnitOfWork
from services.deciders.consents import RecordConsent
from services.deciders.leads import ChangeStatus
from services.deciders.runs import PauseRun, ResumeRun, RunStatus
from services.deciders.templates import RetireTemplate
from services.runtime.clock import Clock
from services.runtime.database import pooled
from services.runtime.settings import Settings
from services.workflows import run_timers
from services.workflows.run_timers import move_runs_regularly, run_worker
from tests.conftest import until
from tests.services.application.workflow_harness import (
    HOUR,
    WorkflowHarness,
    make_harness,
    sms,
    wait,
)
from tests.world import read_parked_reasons


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    harness = await make_harness(pool)
    await harness.create_template("hello")
    return harness


async def reached(harness: WorkflowHarness, run_id: UUID) -> list[RunStepReached]:
    return [
        event
        for event in await harness.events_of("run", run_id)
        if isinstance(event, RunStepReached)
    ]


async def test_a_run_moves_from_its_enrolment_to_its_end(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead()
    flow = await harness.create_workflow(sms("hi", 0.5), wait("rest", 2), sms("bye", 1))
    run = await harness.enrol(flow, lead)
    assert await harness.move(timedelta(minutes=29)) == 0
    assert await harness.move(timedelta(minutes=1)) == 1
    assert await harness.move(HOUR) == 0
    for hours in (1, 1):
        assert await harness.move(hours * HOUR) == 1
    assert await harness.names_of(lead) == [
        "lead.captured", "run.enrolled", "delivery.planned", "run.step_reached",
        "run.step_reached", "delivery.planned", "run.step_reached", "run.completed",
    ]  # fmt: skip
    assert (await harness.load_run(run)).status is RunStatus.COMPLETED
    assert await harness.timers() == []
    first, pause, last = await reached(harness, run)
    assert [event.outcome for event in (first, pause, last)] == ["planned", "waited", "planned"]
    assert first.delivery_id is not None
    [planned] = await harness.events_of("delivery", first.delivery_id)
    assert isinstance(planned, DeliveryPlanned)
    assert (planned.body, planned.run_id, planned.step_number) == ("Hi Ada!", run, 0)
    assert planned.message_class is MessageClass.MARKETING
    assert planned.useful_until == planned.due_at + 24 * HOUR
    await harness.world.project()
    assert await read_parked_reasons(harness.world.pool) == []
    rows = await harness.world.pool.fetch("SELECT status, current_step FROM lead_workflows")
    assert [tuple(row) for row in rows] == [("completed", 3)]


async def test_a_run_keeps_the_steps_of_its_version(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead()
    flow = await harness.create_workflow(wait("a"), wait("b"))
    run = await harness.enrol(flow, lead)
    await harness.redefine(flow, wait("c"))
    await harness.move(HOUR)
    await harness.move(HOUR)
    assert [event.step_id for event in await reached(harness, run)] == ["a", "b"]


@pytest.mark.parametrize(("hours_late", "outcome"), [(6, "planned"), (7, "skipped")])
async def test_a_late_message_is_sent_only_while_it_is_useful(
    harness: WorkflowHarness, hours_late: int, outcome: str
) -> None:
    lead = await harness.create_lead()
    run = await harness.enrol(await harness.create_workflow(sms("hi", useful_hours=6)), lead)
    await harness.move((1 + hours_late) * HOUR)
    [event] = await reached(harness, run)
    assert event.outcome == outcome
    if outcome == "skipped":
        assert event.delivery_id is None
        assert event.error_message == "too_late: 7.0 hours late, and useful for 6 hours"


async def test_a_lead_that_reached_an_exit_status_gets_no_more_steps(
    harness: WorkflowHarness,
) -> None:
    lead = await harness.create_lead()
    run = await harness.enrol(await harness.create_workflow(sms("hi")), lead)
    await harness.execute(ChangeStatus(lead, LeadStatus.LEASED))
    await harness.move(HOUR)
    assert (await harness.events_of("run", run))[1:] == [
        RunConverted(run_id=run, lead_id=lead, status=LeadStatus.LEASED)
    ]


async def test_an_event_that_ends_runs_is_seen_at_the_next_step_too(
    harness: WorkflowHarness,
) -> None:
    lead = await harness.create_lead()
    flow = await harness.create_workflow(sms("hi"), exit_events=(ExitEvent.OPT_OUT,))
    run = await harness.enrol(flow, lead)
    await harness.execute(
        RecordConsent(
            lead, ConsentChannel.EMAIL, given=False, text="STOP", place="sms", at=harness.world.now
        )
    )
    await harness.move(HOUR)
    assert (await harness.events_of("run", run))[1:] == [
        RunStopped(run_id=run, lead_id=lead, reason="the lead wants no more messages",
                   code="opt_out")
    ]  # fmt: skip


async def test_an_event_from_before_the_enrolment_ends_no_run(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead()
    await harness.execute(
        RecordConsent(
            lead, ConsentChannel.EMAIL, given=False, text="STOP", place="sms", at=harness.world.now
        )
    )
    flow = await harness.create_workflow(sms("hi"), exit_events=(ExitEvent.OPT_OUT,))
    run = await harness.enrol(flow, lead)
    await harness.move(HOUR)
    assert (await harness.load_run(run)).status is RunStatus.COMPLETED


@pytest.mark.parametrize(
    ("details", "body", "outcome", "reason"),
    [
        ({"phone": ""}, "Hi!", "skipped", "no_recipient: "),
        ({"first_name": ""}, "Hi {{first_name}}!", "failed", "missing_value: "),
    ],
)
async def test_a_message_that_this_lead_cannot_get_does_not_end_the_run(
    harness: WorkflowHarness, details: dict[str, Any], body: str, outcome: str, reason: str
) -> None:
    await harness.create_template("special", body)
    lead = await harness.create_lead(email="ada@example.com", **details)
    run = await harness.enrol(
        await harness.create_workflow(sms("hi", slug="special"), wait("rest")), lead
    )
    await harness.move(HOUR)
    [event] = await reached(harness, run)
    assert (event.outcome, event.next_step_number, event.delivery_id) == (outcome, 1, None)
    assert event.error_message is not None
    assert event.error_message.startswith(reason)


async def test_a_missing_template_is_tried_again_and_then_stops_the_run_with_the_reason(
    harness: WorkflowHarness,
) -> None:
    lead = await harness.create_lead()
    run = await harness.enrol(await harness.create_workflow(sms("hi")), lead)
    await harness.execute(RetireTemplate(harness.templates["hello"]))
    await harness.move(HOUR)
    reason = "step hi needs the template hello, which does not exist or is not active: "
    for attempt, delay in enumerate(RETRY_DELAYS, start=1):
        [(_, queue_at, attempts, error)] = await harness.timers()
        assert (queue_at, attempts) == (harness.world.now + delay, attempt)
        assert error is not None
        assert error.startswith(reason)
        assert await harness.move(delay) == 1
    [_, stopped] = await harness.events_of("run", run)
    assert isinstance(stopped, RunStopped)
    assert stopped.code == "template_missing"
    assert stopped.reason.startswith(f"gave up after 6 attempts: {reason}")
    assert await harness.timers() == []


async def test_a_template_that_comes_back_in_time_is_sent(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead()
    run = await harness.enrol(await harness.create_workflow(sms("hi", slug="hello")), lead)
    await harness.execute(RetireTemplate(harness.templates["hello"]))
    await harness.move(HOUR)
    await harness.restore_template("hello")
    await harness.move(RETRY_DELAYS[0])
    assert (await harness.load_run(run)).status is RunStatus.COMPLETED


async def test_a_paused_run_has_no_step_until_the_rest_of_its_delay_has_passed(
    harness: WorkflowHarness,
) -> None:
    lead = await harness.create_lead()
    run = await harness.enrol(await harness.create_workflow(sms("hi", 10)), lead)
    await harness.move(4 * HOUR)
    await harness.execute(PauseRun(run, lead, harness.world.now))
    assert await harness.move(100 * HOUR) == 0
    await harness.execute(ResumeRun(run, lead, harness.world.now))
    assert await harness.move(5 * HOUR) == 0
    assert await harness.move(HOUR) == 1


async def test_a_run_that_fails_does_not_hold_back_the_others(
    harness: WorkflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = [await harness.create_lead() for _ in range(3)]
    flow = await harness.create_workflow(wait("a"))
    bad, *good = [await harness.enrol(flow, lead) for lead in leads]
    reach = run_steps.reach_step

    async def fail_for_one(uow: UnitOfWork, run_id: UUID, *, attempts: int = 0) -> StepReport:
        if run_id == bad and attempts < 2:
            raise RuntimeError("a fault of this build")
        return await reach(uow, run_id, attempts=attempts)

    monkeypatch.setattr(run_timers, "reach_step", fail_for_one)
    await harness.move(HOUR)
    for run in good:
        assert (await harness.load_run(run)).status is RunStatus.COMPLETED
    [(run, queue_at, attempts, error)] = await harness.timers()
    assert (run, attempts) == (bad, 1)
    assert error is not None
    assert error.startswith("RuntimeError in ")
    assert queue_at == harness.world.now + timedelta(minutes=1)
    assert await harness.move(timedelta(minutes=1)) == 1
    assert await harness.move(timedelta(minutes=2)) == 1
    assert (await harness.load_run(bad)).status is RunStatus.COMPLETED


async def test_two_workers_do_each_step_once_in_the_order_of_the_due_times(
    harness: WorkflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.log.timers.BATCH_TIMERS", 7)
    leads = [await harness.create_lead() for _ in range(40)]
    flow = await harness.create_workflow(sms("hi"))
    enrolled = []
    for lead in leads:
        enrolled.append(await harness.enrol(flow, lead))
        harness.world.tick()
    now = harness.world.now + HOUR

    async def work() -> None:
        backlog = TimerBacklog(TimerKind.RUN)
        while await harness.timers():
            await run_worker(harness.world.pool).move_due(backlog, now)

    await asyncio.gather(work(), work())
    rows = await harness.world.pool.fetch(
        "SELECT entity_id, version FROM crm_events WHERE event_type = 'run.step_reached' "
        "ORDER BY seq"
    )
    assert [row["entity_id"] for row in rows] == enrolled
    count = await harness.world.count("crm_events WHERE event_type = 'delivery.planned'")
    assert count == len(leads)


async def test_a_batch_needs_no_statement_for_each_of_its_timers(
    harness: WorkflowHarness, settings: Settings
) -> None:
    flow = await harness.create_workflow(wait("a"), exit_events=())
    counts = []
    for runs in (2, 20):
        for _ in range(runs):
            await harness.enrol(flow, await harness.create_lead())
        harness.world.now += HOUR
        statements: list[object] = []
        async with pooled(settings, "test", size=1) as pool:
            async with pool.acquire() as conn:
                conn.add_query_logger(statements.append)
            worker, backlog = run_worker(pool), TimerBacklog(TimerKind.RUN)
            assert await worker.move_due(backlog, harness.world.now) == runs
        counts.append(len(statements))
    assert 0 < counts[1] <= counts[0]


async def test_the_worker_runs_until_it_is_stopped(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead()
    run = await harness.enrol(await harness.create_workflow(sms("hi")), lead)
    stop = asyncio.Event()
    worker = asyncio.create_task(move_runs_regularly(harness.world.pool, stop, Clock()))

    async def is_done() -> bool:
        return (await harness.load_run(run)).status is RunStatus.COMPLETED

    await until(is_done)
    stop.set()
    await worker
