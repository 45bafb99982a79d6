"""Policies that end runs: which events do it, and which do not."""

import asyncpg
import pytest

from events.deliveries import DeliveryClaimed, DeliverySkipped
from events.leads import LeadStatus
from events.merges import LeadMerged
from events.runs import RunConverted, RunStopped
from events.tours import (
    TourScheduled,
)
from events.workflows import ExitEvent
from services.deciders.hand_overs import ClaimDelivery
from services.deciders.leads import ChangeStatus
from services.deciders.runs import RunStatus
from services.deciders.workflows import Trigger
from tests.services.application.workflow_harness import (
    HOUR,
    WorkflowHarness,
    make_harness,
    sms,
    wait,
)
from tests.services.workflows.policy_bus import PolicyBus, open_policies
from tests.services.workflows.policy_histories import (
    History,
    append,
    booked,
    cancelled,
    enrolments,
    opted_out,
    replied,
    start_run,
)
from tests.tours import tour_cancelled


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    return await make_harness(pool)


@pytest.fixture
async def bus(harness: WorkflowHarness) -> PolicyBus:
    return await open_policies(harness.world)


@pytest.mark.parametrize(
    ("exit_event", "history"),
    [
        (ExitEvent.TOUR_BOOKED, lambda _, lead: booked(lead)),
        (ExitEvent.TOUR_CANCELLED, lambda _, lead: cancelled(lead)),
        (ExitEvent.REPLY_RECEIVED, lambda _, lead: replied(lead)),
        (ExitEvent.OPT_OUT, opted_out),
    ],
)
async def test_an_exit_event_ends_the_run_when_it_arrives(
    harness: WorkflowHarness, bus: PolicyBus, exit_event: ExitEvent, history: History
) -> None:
    lead, run = await start_run(harness, bus, exit_events=(exit_event,))
    bystander = await harness.create_lead()
    await append(harness, *history(harness, bystander))
    await bus.fill()
    assert (await harness.load_run(run)).status is RunStatus.ACTIVE
    await append(harness, *history(harness, lead))
    await bus.fill()
    [*_, stopped] = await harness.events_of("run", run)
    assert isinstance(stopped, RunStopped)
    assert (stopped.code, bool(stopped.reason)) == (exit_event, True)
    assert run not in {timer[0] for timer in await harness.timers()}


@pytest.mark.parametrize("exit_event", list(ExitEvent))
async def test_an_event_that_a_definition_does_not_name_ends_no_run(
    harness: WorkflowHarness, bus: PolicyBus, exit_event: ExitEvent
) -> None:
    others = tuple(event for event in ExitEvent if event is not exit_event)
    others = tuple(event for event in others if event is not ExitEvent.TOUR_BOOKED)
    histories: dict[ExitEvent, History] = {
        ExitEvent.TOUR_BOOKED: lambda _, lead: booked(lead),
        ExitEvent.TOUR_CANCELLED: lambda _, lead: cancelled(lead),
        ExitEvent.REPLY_RECEIVED: lambda _, lead: replied(lead),
        ExitEvent.OPT_OUT: opted_out,
    }
    lead, run = await start_run(harness, bus, exit_events=others)
    await append(harness, *histories[exit_event](harness, lead))
    await bus.fill()
    assert (await harness.load_run(run)).status is RunStatus.ACTIVE


async def test_only_the_tour_of_a_run_ends_it_by_its_cancellation(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    await harness.create_workflow(
        wait("rest", 1_000), trigger=Trigger.TOUR_BOOKED, exit_events=(ExitEvent.TOUR_CANCELLED,)
    )
    lead = await harness.create_lead()
    first_tour, second_tour = booked(lead), booked(lead)
    await append(harness, *first_tour, *second_tour)
    await bus.fill()
    tours = {run.tour_id: run.run_id for run in await enrolments(harness, lead)}
    [scheduled] = second_tour
    assert isinstance(scheduled, TourScheduled)
    await append(harness, tour_cancelled(scheduled.tour_id, lead))
    await bus.fill()
    assert {tour_id: (await harness.load_run(run)).status for tour_id, run in tours.items()} == {
        tour_id: RunStatus.STOPPED if tour_id == scheduled.tour_id else RunStatus.ACTIVE
        for tour_id in tours
    }


async def test_a_status_of_the_exit_conditions_converts_the_run(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    lead, run = await start_run(harness, bus, exit_conditions=(LeadStatus.QUALIFIED,))
    await harness.execute(ChangeStatus(lead, LeadStatus.CONTACTED))
    await bus.fill()
    assert (await harness.load_run(run)).status is RunStatus.ACTIVE
    await harness.execute(ChangeStatus(lead, LeadStatus.QUALIFIED))
    await harness.execute(ChangeStatus(lead, LeadStatus.CONTACTED))
    await bus.fill()
    [*_, converted] = await harness.events_of("run", run)
    assert isinstance(converted, RunConverted)
    assert converted.status is LeadStatus.QUALIFIED


async def test_the_event_that_starts_a_run_does_not_end_it(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    await harness.create_workflow(
        wait("rest", 1_000), trigger=Trigger.TOUR_BOOKED, exit_events=(ExitEvent.TOUR_BOOKED,)
    )
    lead = await harness.create_lead()
    await append(harness, *booked(lead))
    await bus.fill()
    for _ in range(2):  # the second time the events of the first are in the log
        await bus.fill()
        [run] = await enrolments(harness, lead)
        assert (await harness.load_run(run.run_id)).status is RunStatus.ACTIVE
    await append(harness, *booked(lead))
    await bus.fill()
    first, second = await enrolments(harness, lead)
    assert (await harness.load_run(first.run_id)).status is RunStatus.STOPPED
    assert (await harness.load_run(second.run_id)).status is RunStatus.ACTIVE


async def test_an_event_between_trigger_and_enrolment_ends_the_run(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    """The policies are late: the reply is in the log before the run is."""
    await harness.create_workflow(wait("rest"), exit_events=(ExitEvent.REPLY_RECEIVED,))
    lead = await harness.create_lead()
    await append(harness, *replied(lead))
    await bus.fill()
    [run] = await enrolments(harness, lead)
    assert (await harness.load_run(run.run_id)).status is RunStatus.STOPPED


@pytest.mark.parametrize("is_claimed", [False, True])
async def test_an_exit_takes_back_the_message_that_no_sender_has_claimed(
    harness: WorkflowHarness, bus: PolicyBus, is_claimed: bool
) -> None:
    await harness.create_template("hello")
    await harness.create_workflow(
        sms("hi", 0), wait("rest", 1_000), exit_events=(ExitEvent.REPLY_RECEIVED,)
    )
    lead = await harness.create_lead()
    await bus.fill()
    await harness.move()
    [planned] = [row["entity_id"] for row in await harness.world.pool.fetch(
        "SELECT entity_id FROM crm_events WHERE event_type = 'delivery.planned'"
    )]  # fmt: skip
    if is_claimed:
        lease = harness.world.now + HOUR
        await harness.execute(ClaimDelivery(planned, "sms", lease, {}))
    await append(harness, *replied(lead))
    await bus.fill()  # the exit
    await bus.fill()  # what the exit causes
    last = (await harness.events_of("delivery", planned))[-1]
    if is_claimed:
        assert isinstance(last, DeliveryClaimed)
    else:
        assert isinstance(last, DeliverySkipped)
        assert (last.reason, last.detail) == ("run_ended", "the run has ended: the lead replied")
    assert await harness.world.count("crm.policy_failures") == 0


async def test_a_merge_ends_a_run_of_the_loser_that_the_merge_did_not_see(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    lead, run = await start_run(harness, bus)
    winner = await harness.create_lead(phone="+15125550199")
    await append(harness, LeadMerged(loser_id=lead, winner_id=winner))
    await bus.fill()
    [*_, stopped] = await harness.events_of("run", run)
    assert isinstance(stopped, RunStopped)
    assert stopped.code == "merged"


async def test_an_event_of_a_merged_lead_ends_the_run_of_the_surviving_lead(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    await harness.create_workflow(wait("rest", 1_000), exit_events=(ExitEvent.REPLY_RECEIVED,))
    loser = await harness.create_lead()
    winner = await harness.create_lead(phone="+15125550199")
    await append(harness, LeadMerged(loser_id=loser, winner_id=winner))
    await bus.fill()
    [run] = await enrolments(harness, winner)
    await append(harness, *replied(loser))
    await bus.fill()
    assert (await harness.load_run(run.run_id)).status is RunStatus.STOPPED


async def test_a_status_of_a_lead_that_is_then_merged_ends_no_run_of_the_surviving_lead(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    """The policies are late: they see the status after the merge."""
    winner, run = await start_run(harness, bus, exit_conditions=(LeadStatus.QUALIFIED,))
    loser = await harness.create_lead(phone="+15125550199")
    await harness.execute(ChangeStatus(loser, LeadStatus.QUALIFIED))
    await append(harness, LeadMerged(loser_id=loser, winner_id=winner))
    await bus.fill()
    assert (await harness.load_run(run)).status is RunStatus.ACTIVE
