"""Policies that start runs: which events, how often, and which never do."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.engagements import EngagementRecorded, EngagementType
from events.event import Event
from events.tours import (
    TourConfirmed,
    TourRescheduled,
    TourScheduled,
)
from events.workflows import ReentryRule
from services.deciders.workflows import ActivateWorkflow, DeactivateWorkflow, Trigger
from services.workflows.policies.enrol import TRIGGERS, trigger_of
from tests.services.application.workflow_harness import (
    HOUR,
    WorkflowHarness,
    make_harness,
    step,
    wait,
)
from tests.services.workflows.policy_bus import PolicyBus, open_policies
from tests.services.workflows.policy_histories import (
    append,
    booked,
    cancelled,
    completed,
    confirmed,
    enrolments,
    missed,
    start_run,
)
from tests.tours import tour_scheduled


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    return await make_harness(pool)


@pytest.fixture
async def bus(harness: WorkflowHarness) -> PolicyBus:
    return await open_policies(harness.world)


@pytest.mark.parametrize(
    ("trigger", "history"),
    [
        (Trigger.TOUR_BOOKED, booked),
        (Trigger.TOUR_CONFIRMED, confirmed),
        (Trigger.TOUR_CANCELLED, cancelled),
        (Trigger.TOUR_COMPLETED, completed),
        (Trigger.TOUR_NO_SHOW, missed),
    ],
)
async def test_an_event_of_a_tour_starts_a_run_that_names_the_tour(
    harness: WorkflowHarness,
    bus: PolicyBus,
    trigger: Trigger,
    history: Callable[[UUID], list[Event]],
) -> None:
    await harness.create_workflow(wait("rest"), trigger=trigger)
    lead = await harness.create_lead()
    events = history(lead)
    await append(harness, *events)
    await bus.fill()
    [run] = await enrolments(harness, lead)
    assert isinstance(events[0], TourScheduled)
    assert (run.trigger, run.tour_id, run.tour_revision) == (trigger, events[0].tour_id, 0)


@pytest.mark.parametrize("kind", ["application_started", "application_submitted"])
async def test_an_application_starts_a_run(
    harness: WorkflowHarness, bus: PolicyBus, kind: str
) -> None:
    await harness.create_workflow(wait("rest"), trigger=Trigger(kind))
    lead = await harness.create_lead()
    await append(harness, harness.world.engagement(lead, "price_check"))
    await append(harness, harness.world.engagement(lead, kind))
    await bus.fill()
    assert [run.trigger for run in await enrolments(harness, lead)] == [kind]


def test_every_trigger_has_an_event() -> None:
    engagements = {trigger_of(engagement(kind)) for kind in EngagementType} - {None}
    assert {*TRIGGERS.values(), *engagements} == set(Trigger)


def engagement(kind: EngagementType) -> Event:
    return EngagementRecorded(
        engagement_id=uuid4(), lead_id=uuid4(), event_type=kind, score_weight=1
    )


async def test_a_run_names_the_revision_that_the_tour_had_at_the_trigger(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    await harness.create_workflow(wait("rest"), trigger=Trigger.TOUR_CONFIRMED)
    lead, tour = await harness.create_lead(), uuid4()
    booking = tour_scheduled(tour, lead)
    move = booking.model_dump(
        include=TourRescheduled.model_fields.keys() & set(TourScheduled.model_fields)
    )
    confirmation = TourConfirmed(tour_id=tour, lead_id=lead)
    await append(
        harness, booking, TourRescheduled(**move, revision=1), confirmation,
        TourRescheduled(**move, revision=2),
    )  # fmt: skip
    await bus.fill()
    [run] = await enrolments(harness, lead)
    assert run.tour_revision == 1


async def test_two_active_definitions_of_one_trigger_both_start(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    flows = [await harness.create_workflow(wait("rest")) for _ in range(2)]
    await harness.create_workflow(wait("rest"), trigger=Trigger.TOUR_BOOKED)
    await harness.create_workflow(wait("rest"), is_active=False)
    lead = await harness.create_lead()
    await bus.fill()
    assert [run.definition_id for run in await enrolments(harness, lead)] == flows


async def test_a_definition_of_another_property_starts_nothing(pool: asyncpg.Pool) -> None:
    harness, other = await make_harness(pool), await make_harness(pool)
    bus = await open_policies(harness.world)
    await other.create_workflow(wait("rest"))
    lead = await harness.create_lead()
    await bus.fill()
    assert await enrolments(harness, lead) == []


async def test_a_definition_starts_runs_from_its_activation_on(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    """The policies are late here: all happened before they saw anything."""
    flow = await harness.create_workflow(wait("rest"), is_active=False)
    before = await harness.create_lead()
    await harness.execute(ActivateWorkflow(flow, {}))
    during = await harness.create_lead()
    await bus.fill()
    await harness.execute(DeactivateWorkflow(flow))
    after = await harness.create_lead()
    await bus.fill()
    started = [lead for lead in (before, during, after) if await enrolments(harness, lead)]
    assert started == [during]


@pytest.mark.parametrize(("hours", "starts"), [(23.9, True), (24.1, False)])
async def test_an_old_trigger_event_starts_nothing(
    harness: WorkflowHarness, bus: PolicyBus, hours: float, starts: bool
) -> None:
    await harness.create_workflow(wait("rest"))
    lead = uuid4()
    await append(harness, harness.world.captured(lead), age=timedelta(hours=hours))
    await bus.fill()
    assert bool(await enrolments(harness, lead)) is starts


@pytest.mark.parametrize(
    ("rule", "runs"), [(ReentryRule.ONCE, 1), (ReentryRule.AFTER_END, 1), (ReentryRule.ALWAYS, 2)]
)
async def test_the_reentry_rule_says_whether_a_second_trigger_starts_a_run(
    harness: WorkflowHarness, bus: PolicyBus, rule: ReentryRule, runs: int
) -> None:
    await harness.create_workflow(wait("rest"), trigger=Trigger.TOUR_BOOKED, reentry=rule)
    lead = await harness.create_lead()
    await append(harness, *booked(lead), *booked(lead))
    await bus.fill()
    assert len(await enrolments(harness, lead)) == runs
    assert await harness.world.count("crm.policy_failures") == 0


async def test_a_command_of_a_policy_names_the_policy_and_the_event(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    lead, run = await start_run(harness, bus)
    row = await harness.world.pool.fetchrow(
        "SELECT e.actor, e.origin, e.causation_id, c.event_type AS cause FROM crm_events e "
        "JOIN crm_events c ON c.id = e.causation_id WHERE e.entity_id = $1",
        run,
    )
    assert row is not None
    assert (row["actor"], row["origin"], row["cause"]) == ("policy:enrol", "live", "lead.captured")
    await harness.move(HOUR)
    assert len(await enrolments(harness, lead)) == 1


async def test_a_run_that_waits_for_an_event_goes_on_when_it_arrives(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    await harness.create_workflow(
        step("w", "wait_for_event", event="tour_booked", limit_hours=48), wait("rest", 1_000)
    )
    lead = await harness.create_lead()
    await bus.fill()
    [enrolled] = await enrolments(harness, lead)
    await harness.move()
    assert (await harness.load_run(enrolled.run_id)).waits_for == "tour_booked"
    await append(harness, *booked(lead))
    await bus.fill()
    run = await harness.load_run(enrolled.run_id)
    assert (run.waits_for, run.step_number) == (None, 1)
    assert run.consumed == {"tour_booked": 1}
