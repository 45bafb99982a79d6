"""Steps that wait for events, choose a path or change a lead, done by the worker."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from events.deliveries import DeliveryPlanned
from events.engagements import EngagementType
from events.event import Event
from events.leads import LeadAssigned, LeadNoted, LeadStatus, LeadStatusChanged
from events.runs import RunStepReached, RunStopped
from events.tasks import TaskCreated
from events.workflows import Step
from services.application.command_handler import transact
from services.application.lead_values import load_values
from services.application.run_steps import signal_run
from services.application.unit_of_work import UnitOfWork
from services.deciders.engagements import RecordEngagement
from services.deciders.leads import ChangeStatus
from services.deciders.occurrences import Occurrence
from services.deciders.runs import PauseRun, ResumeRun, RunStatus
from tests.services.api.site import create_profile
from tests.services.application.workflow_harness import (
    HOUR,
    WorkflowHarness,
    make_harness,
    sms,
    step,
    wait,
)

STARTED = Occurrence.APPLICATION_STARTED


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    harness = await make_harness(pool)
    await harness.create_template("hello")
    return harness


async def start(harness: WorkflowHarness, *steps: Step, **details: str) -> tuple[UUID, UUID]:
    """Return a new lead and its run."""
    lead = await harness.create_lead(**details)
    return lead, await harness.enrol(await harness.create_workflow(*steps), lead)


async def engage(harness: WorkflowHarness, lead: UUID, kind: EngagementType) -> None:
    await harness.execute(RecordEngagement(uuid4(), lead, kind))


async def signal(harness: WorkflowHarness, run: UUID, occurrence: Occurrence = STARTED) -> bool:
    async def work(uow: UnitOfWork) -> bool:
        return await signal_run(uow, run, occurrence)

    return (await transact(harness.world.pool, harness.scope, work)).result


async def path_of(harness: WorkflowHarness, run: UUID) -> list[tuple[str, str, str | None]]:
    """Return (step id, outcome, choice) of each step event of a run."""
    return [
        (event.step_id, event.outcome.value, event.choice)
        for event in await harness.events_of("run", run)
        if isinstance(event, RunStepReached)
    ]


async def events_named(harness: WorkflowHarness, lead: UUID, kind: type[Event]) -> list[Any]:
    return [
        event for event in await harness.events_of("lead", lead) if isinstance(event, kind)
    ]  # fmt: skip


WAITING = step(
    "wait", "wait_for_event", event="application_started", limit_hours=48, on_timeout="late"
)
REST = (wait("soon", 0), step("end", "end"), wait("late", 0))


async def test_a_run_waits_for_an_event_and_goes_on_when_it_arrives(
    harness: WorkflowHarness,
) -> None:
    lead, run = await start(harness, WAITING, *REST)
    await harness.move()
    assert (await harness.load_run(run)).waits_for == STARTED
    assert not await signal(harness, run), "the event is not in the log"
    await engage(harness, lead, EngagementType.APPLICATION_STARTED)
    assert not await signal(harness, run, Occurrence.OPT_OUT)
    assert await signal(harness, run)
    assert not await signal(harness, run), "a repeated signal changes nothing"
    await harness.move()
    assert await path_of(harness, run) == [
        ("wait", "waiting", None), ("wait", "done", "application_started"),
        ("soon", "waited", None), ("end", "done", None),
    ]  # fmt: skip


async def test_an_event_between_enrolment_and_wait_counts(harness: WorkflowHarness) -> None:
    lead, run = await start(harness, wait("first", 1), WAITING, *REST)
    await engage(harness, lead, EngagementType.APPLICATION_STARTED)
    await harness.move(HOUR)
    assert await path_of(harness, run) == [
        ("first", "waited", None), ("wait", "done", "application_started"),
        ("soon", "waited", None), ("end", "done", None),
    ]  # fmt: skip


async def test_an_event_from_before_the_enrolment_does_not_count(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead()
    await engage(harness, lead, EngagementType.APPLICATION_STARTED)
    run = await harness.enrol(await harness.create_workflow(WAITING, *REST), lead)
    await harness.move()
    assert await path_of(harness, run) == [("wait", "waiting", None)]


async def test_a_wait_ends_at_its_limit(harness: WorkflowHarness) -> None:
    _, run = await start(harness, WAITING, *REST)
    await harness.move()
    assert await harness.move(47 * HOUR) == 0
    await harness.move(HOUR)
    assert await path_of(harness, run) == [
        ("wait", "waiting", None), ("wait", "waited", "timeout"), ("late", "waited", None)
    ]  # fmt: skip


async def test_one_event_ends_one_wait(harness: WorkflowHarness) -> None:
    again = WAITING.model_copy(update={"id": "again"})
    lead, run = await start(harness, WAITING, again, wait("late", 0))
    await engage(harness, lead, EngagementType.APPLICATION_STARTED)
    await harness.move()
    assert await path_of(harness, run) == [
        ("wait", "done", "application_started"), ("again", "waiting", None)
    ]  # fmt: skip


async def test_an_event_during_a_pause_is_found_after_it(harness: WorkflowHarness) -> None:
    lead, run = await start(harness, WAITING, *REST)
    await harness.move()
    await harness.execute(PauseRun(run, lead, harness.world.now))
    await engage(harness, lead, EngagementType.APPLICATION_STARTED)
    assert not await signal(harness, run)
    await harness.execute(ResumeRun(run, lead, harness.world.now))
    await harness.move(48 * HOUR)
    assert ("wait", "done", "application_started") in await path_of(harness, run)


async def test_a_branch_sees_the_score_that_the_console_shows(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead(email="ada@example.com", source="Google Ads")
    for kind in (EngagementType.APPLICATION_STARTED, EngagementType.PRICE_CHECK):
        await engage(harness, lead, kind)

    async def work(uow: UnitOfWork) -> dict[str, Any]:
        return await load_values(uow, lead)

    values = (await transact(harness.world.pool, harness.scope, work)).result
    await harness.world.project()
    row = await harness.world.pool.fetchrow(
        "SELECT total_score, score_bucket FROM lead_scores WHERE lead_id = $1 "
        "ORDER BY revision DESC LIMIT 1", lead,
    )  # fmt: skip
    assert row is not None
    assert (values["score"], values["score_bucket"]) == tuple(row)
    assert (values["source"], values["status"], values["phone"]) == (
        "Google Ads", "new", "+15125550123"
    )  # fmt: skip
    condition = {"field": "score", "operator": "at_least", "value": row["total_score"]}
    run = await harness.enrol(
        await harness.create_workflow(step("b", "branch", conditions=[condition], then="x"),
                                      wait("skipped"), step("x", "end")), lead,
    )  # fmt: skip
    await harness.move()
    assert await path_of(harness, run) == [("b", "done", "then"), ("x", "done", None)]


async def test_steps_change_the_lead_and_leave_their_trace(harness: WorkflowHarness) -> None:
    agent = await create_profile(harness.world, "manager")
    lead, run = await start(
        harness,
        step("status", "set_status", status="qualified"),
        step("agent", "assign", agent_id=str(agent)),
        step("note", "note", text="Call {{first_name}} back"),
        step("task", "task", title="Call {{first_name}}", due_hours=2),
    )
    await harness.move()
    [changed] = await events_named(harness, lead, LeadStatusChanged)
    assert (changed.status, changed.reason) == (LeadStatus.QUALIFIED, "step status of a workflow")
    [assigned] = await events_named(harness, lead, LeadAssigned)
    assert assigned.assigned_agent_id == agent
    [noted] = await events_named(harness, lead, LeadNoted)
    assert noted.note == "Call Ada back"
    task_id = (await harness.events_of("run", run))[-2].task_id  # type: ignore[attr-defined]
    assert await harness.events_of("task", task_id) == [TaskCreated(
        task_id=task_id, lead_id=lead, title="Call Ada", due_at=harness.world.now + 2 * HOUR,
        assigned_agent_id=agent, run_id=run, step_number=3,
    )]  # fmt: skip
    await harness.world.project()
    rows = await harness.world.pool.fetch("SELECT title, status, run_id FROM lead_tasks")
    assert [tuple(row) for row in rows] == [("Call Ada", "open", run)]


@pytest.mark.parametrize(
    ("failing", "part"),
    [
        (step("x", "assign", agent_id=str(UUID(int=404))), "unknown_profile: "),
        (step("x", "task", title="Call", agent_id=str(UUID(int=404))), "unknown_profile: "),
        (step("x", "note", text="Hi {{last_name}}"), "missing_value: "),
        (step("x", "set_status", status="new"), "leased: "),
    ],
    ids=str,
)
async def test_a_step_that_is_impossible_fails_with_its_reason_and_the_run_goes_on(
    harness: WorkflowHarness, failing: Step, part: str
) -> None:
    lead = await harness.create_lead()
    flow = await harness.create_workflow(failing, wait("rest"), exit_conditions=())
    run = await harness.enrol(flow, lead)
    await harness.execute(ChangeStatus(lead, LeadStatus.LEASED))
    await harness.move()
    event = (await harness.events_of("run", run))[-1]
    assert isinstance(event, RunStepReached)
    assert (event.outcome, event.next_step_number) == ("failed", 1)
    assert event.error_message is not None
    assert event.error_message.startswith(part)


async def test_a_webhook_is_planned_with_its_content(harness: WorkflowHarness) -> None:
    lead, run = await start(
        harness, step("hook", "webhook", url="https://example.com/in", content={"plan": "gold"})
    )
    await harness.move()
    event = (await harness.events_of("run", run))[-2]
    assert isinstance(event, RunStepReached)
    assert event.delivery_id is not None
    [planned] = await harness.events_of("delivery", event.delivery_id)
    assert isinstance(planned, DeliveryPlanned)
    assert (planned.channel, planned.recipient) == ("webhook", "https://example.com/in")
    assert orjson.loads(planned.body or "") == {
        "deliveryId": str(event.delivery_id), "runId": str(run), "leadId": str(lead),
        "workflowId": str((await harness.load_run(run)).definition_id), "stepId": "hook",
        "content": {"plan": "gold"},
    }  # fmt: skip


async def test_a_local_time_without_a_zone_stops_the_run_with_the_reason(
    harness: WorkflowHarness, owner_pool: asyncpg.Pool
) -> None:
    _, run = await start(harness, sms("hi", 0), step("morning", "wait_until", at="09:00"))
    await owner_pool.execute("UPDATE properties SET settings = '{}'")
    await harness.move()
    [(_, _, attempts, error)] = await harness.timers()
    assert attempts == 1
    assert error == "step morning waits for a local time: set the property's timezone"
    for _ in range(5):
        await harness.move(timedelta(hours=6))
    last = (await harness.events_of("run", run))[-1]
    assert isinstance(last, RunStopped)
    assert last.code == "no_time_zone"
    assert await harness.world.count("crm_events WHERE event_type = 'delivery.planned'") == 0
    assert (await harness.load_run(run)).status is RunStatus.STOPPED
