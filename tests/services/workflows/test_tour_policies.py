"""The policies of tours: messages for every writer, and no recovery after a corrected no-show."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.log import read
from events.log.timers import TimerBacklog
from events.record import Cause, NewEvent, Origin, Stream
from events.runs import RunStopped
from events.timers import TimerKind
from services.application.decided_events import handle_decided_event
from services.deciders.local_time import When
from services.deciders.tour_bookings import RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import CancelTour, CorrectNoShow
from services.deciders.workflows import Trigger
from services.workflows.policies.tour_messages import TOUR_MESSAGES
from services.workflows.tour_timers import no_show_worker
from tests.services.application.workflow_harness import HOUR, WorkflowHarness, make_harness, sms
from tests.services.workflows.policy_bus import PolicyBus, open_policies
from tests.tours import tour_scheduled

START = datetime(2026, 3, 20, 14, tzinfo=UTC)
"""10:00 in New York, as in `tour_scheduled`."""
SLUGS = ("tour-confirmation-sms", "tour-reminder-24h-sms", "tour-reminder-1h-sms")


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    harness = await make_harness(pool)
    for slug in SLUGS:
        await harness.create_template(slug, "At {{tour_time}}")
    return harness


@pytest.fixture
async def bus(harness: WorkflowHarness) -> PolicyBus:
    return await open_policies(harness.world)


async def book(harness: WorkflowHarness, lead: UUID, at: time = time(10)) -> UUID:
    tour = uuid4()
    when = When(date(2026, 3, 20), at, "America/New_York", 0, 30)
    await harness.execute(
        ScheduleTour(tour, lead, at=harness.world.now, when=when, source="console")
    )
    return tour


async def read_deliveries(harness: WorkflowHarness) -> list[tuple[str, str, int]]:
    rows = await harness.world.pool.fetch(
        "SELECT event_type, payload FROM crm_events WHERE entity_type = 'delivery' ORDER BY seq"
    )
    return sorted(
        (row["event_type"].removeprefix("delivery."), row["payload"]["purpose"],
         row["payload"]["tour_revision"])
        for row in rows
    )  # fmt: skip


PLANNED = [
    ("planned", "tour_confirmation", 1), ("planned", "tour_reminder_1h", 1),
    ("planned", "tour_reminder_24h", 1),
]  # fmt: skip


async def test_a_booking_of_a_producer_plans_the_same_messages(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    lead, event_id = await harness.create_lead(), uuid4()
    await handle_decided_event(
        harness.world.pool, tour_scheduled(uuid4(), lead), event_id=event_id,
        org_id=harness.world.org_id, property_id=harness.property_id,
        occurred_at=harness.world.tick(), cause=Cause("producer:site"),
    )  # fmt: skip
    await bus.deliver()
    assert await read_deliveries(harness) == PLANNED
    row = await harness.world.pool.fetchrow(
        "SELECT actor, causation_id FROM crm_events WHERE entity_type = 'delivery' LIMIT 1"
    )
    assert row is not None
    assert tuple(row.values()) == ("policy:tour_messages", event_id)


async def test_a_reaction_that_is_repeated_plans_nothing_twice(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    tour = await book(harness, await harness.create_lead())
    await bus.deliver()
    async with harness.world.pool.acquire() as conn:
        [booking] = await read.streams(conn, [Stream("tour", tour)])
    for attempt in range(3):
        await bus.runner.run(TOUR_MESSAGES, booking, attempt)
    assert await read_deliveries(harness) == PLANNED


async def test_a_move_and_a_cancellation_skip_what_was_planned(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    lead = await harness.create_lead()
    tour = await book(harness, lead)
    await bus.deliver()
    when = When(date(2026, 3, 21), time(10), "America/New_York", 0, 30)
    await harness.execute(RescheduleTour(tour, lead, at=harness.world.now, when=when))
    await harness.execute(CancelTour(tour, lead))
    await bus.deliver()
    skipped = [event for event in await read_deliveries(harness) if event[0] == "skipped"]
    assert skipped == [("skipped", purpose, 1) for _, purpose, _ in PLANNED]
    assert len(await read_deliveries(harness)) == 2 * len(PLANNED)


async def test_an_imported_tour_has_no_messages(harness: WorkflowHarness, bus: PolicyBus) -> None:
    world, lead = harness.world, await harness.create_lead()
    cause = Cause("import", origin=Origin.IMPORT)
    await world.append(
        NewEvent(uuid4(), tour_scheduled(uuid4(), lead), world.org_id, harness.property_id,
                 world.now, cause)
    )  # fmt: skip
    await bus.deliver()
    assert await read_deliveries(harness) == []


@pytest.mark.parametrize(("hours", "runs"), [(24, 1), (26, 0)])
async def test_the_age_of_a_no_show_counts_from_the_tour_and_not_from_its_late_record(
    harness: WorkflowHarness, bus: PolicyBus, hours: int, runs: int
) -> None:
    """After a long downtime, nobody gets a message about a tour of last week."""
    await harness.create_template("sorry", "Sorry we missed you")
    await harness.create_workflow(
        sms("sorry", 2, "sorry"), trigger=Trigger.TOUR_NO_SHOW, max_age_hours=24
    )
    await book(harness, await harness.create_lead())
    harness.world.now = START + timedelta(minutes=30) + hours * HOUR
    await no_show_worker(harness.world.pool).move_due(
        TimerBacklog(TimerKind.TOUR), harness.world.now
    )
    await bus.deliver()
    recorded = await harness.world.count("crm_events WHERE event_type = 'tour.no_show_recorded'")
    assert recorded == 1
    assert await harness.world.count("crm_events WHERE event_type = 'run.enrolled'") == runs


async def test_a_corrected_no_show_ends_its_recovery_and_no_other(
    harness: WorkflowHarness, bus: PolicyBus
) -> None:
    await harness.create_template("sorry", "Sorry we missed you")
    await harness.create_workflow(sms("sorry", 2, "sorry"), trigger=Trigger.TOUR_NO_SHOW)
    lead = await harness.create_lead()
    tours = [await book(harness, lead), await book(harness, lead, time(11))]
    harness.world.now = START + 3 * HOUR
    backlog = TimerBacklog(TimerKind.TOUR)
    while await no_show_worker(harness.world.pool).move_due(backlog, harness.world.now):
        pass
    await bus.deliver()
    rows = await harness.world.pool.fetch(
        "SELECT entity_id, payload->>'tour_id' AS tour_id FROM crm_events "
        "WHERE event_type = 'run.enrolled'"
    )
    runs = {UUID(row["tour_id"]): row["entity_id"] for row in rows}
    assert runs.keys() == set(tours)
    harness.world.now += timedelta(minutes=30)
    await harness.execute(CorrectNoShow(tours[0], lead))
    await bus.deliver()
    [stopped] = [
        event for event in await harness.events_of("run", runs[tours[0]])
        if isinstance(event, RunStopped)
    ]  # fmt: skip
    assert (stopped.code, stopped.reason) == ("no_show_corrected", "the no-show was a mistake")
    assert await harness.move(2 * HOUR) == 1
    assert await read_deliveries_of_runs(harness) == [runs[tours[1]]]


async def read_deliveries_of_runs(harness: WorkflowHarness) -> list[UUID]:
    rows = await harness.world.pool.fetch(
        "SELECT payload->>'run_id' AS run_id FROM crm_events "
        "WHERE event_type = 'delivery.planned' AND payload ? 'run_id'"
    )
    return [UUID(row["run_id"]) for row in rows]
