"""The worker that records no-shows, one hour after the end of a tour."""

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.leads import LeadStatus
from events.log.timers import TimerBacklog
from events.record import Cause, NewEvent, Origin
from events.timers import TimerKind
from events.tours import TourStatus
from services.deciders import tour_outcomes
from services.deciders.leads import ChangeStatus
from services.deciders.local_time import When
from services.deciders.tour_bookings import RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import CancelTour, CompleteTour, ConfirmTour, CorrectNoShow
from services.runtime.clock import Clock
from services.workflows.tour_timers import no_show_worker, record_no_shows_regularly
from tests.conftest import until
from tests.services.application.workflow_harness import WorkflowHarness, make_harness
from tests.tours import tour_scheduled

TOUR_DAY = date(2026, 3, 8)
"""The day on which New York changes to daylight saving time, at 2:00."""
START = datetime.fromisoformat("2026-03-08T06:30:00Z")
"""1:30 in New York, half an hour before the change."""
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    return await make_harness(pool)


async def book(harness: WorkflowHarness, lead_id: UUID, at: time = time(1, 30)) -> UUID:
    tour_id = uuid4()
    when = When(TOUR_DAY, at, "America/New_York", 0, 60)
    await harness.execute(
        ScheduleTour(tour_id, lead_id, at=harness.world.now, when=when, source="widget")
    )
    return tour_id


async def let_timers_work(harness: WorkflowHarness, at: datetime) -> int:
    harness.world.now = at
    worker, backlog, moved = no_show_worker(harness.world.pool), TimerBacklog(TimerKind.TOUR), 0
    while claimed := await worker.move_due(backlog, at):
        moved += claimed
    return moved


async def read_no_shows(harness: WorkflowHarness) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await harness.world.pool.fetch(
        "SELECT entity_id, actor, occurred_at FROM crm_events "
        "WHERE event_type = 'tour.no_show_recorded' ORDER BY seq"
    )
    return rows


@pytest.mark.parametrize("status", [None, LeadStatus.LEASED, LeadStatus.LOST])
async def test_a_tour_that_nobody_completed_is_a_no_show_one_hour_after_its_end(
    harness: WorkflowHarness, status: LeadStatus | None
) -> None:
    lead = await harness.create_lead()
    tour = await book(harness, lead)
    if status is not None:
        await harness.execute(ChangeStatus(lead, status))
    assert await let_timers_work(harness, START + 2 * HOUR - MINUTE) == 0
    assert await let_timers_work(harness, START + 2 * HOUR) == 1
    [row] = await read_no_shows(harness)
    assert tuple(row.values()) == (tour, "timer", START + 2 * HOUR)
    await harness.world.project()
    stored = await harness.world.pool.fetchval("SELECT status FROM leads")
    assert stored == (status or LeadStatus.TOUR_BOOKED)
    assert await harness.world.count("lead_engagement_events WHERE event_type='tour_no_show'") == 1
    assert await let_timers_work(harness, START + 3 * HOUR) == 0


@pytest.mark.parametrize("outcome", [CompleteTour, CancelTour])
async def test_a_tour_that_ended_otherwise_is_no_no_show(
    harness: WorkflowHarness, outcome: type
) -> None:
    lead = await harness.create_lead()
    tour = await book(harness, lead)
    more: dict[str, Any] = {"at": START + HOUR} if outcome is CompleteTour else {}
    harness.world.now = START + HOUR
    await harness.execute(outcome(tour, lead, **more))
    assert await let_timers_work(harness, START + 9 * HOUR) == 0
    assert await read_no_shows(harness) == []


async def test_a_moved_tour_has_its_hour_after_the_new_end(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead()
    tour = await book(harness, lead)
    await harness.execute(ConfirmTour(tour, lead))
    when = When(TOUR_DAY, time(9), "America/New_York", 0, 30)
    await harness.execute(RescheduleTour(tour, lead, at=harness.world.now, when=when))
    new_start = datetime.fromisoformat("2026-03-08T13:00:00Z")
    assert await let_timers_work(harness, new_start + 89 * MINUTE) == 0
    assert await let_timers_work(harness, new_start + 90 * MINUTE) == 1


async def test_a_corrected_no_show_is_not_recorded_again(harness: WorkflowHarness) -> None:
    lead = await harness.create_lead()
    tour = await book(harness, lead)
    await let_timers_work(harness, START + 2 * HOUR)
    await harness.execute(CorrectNoShow(tour, lead, TourStatus.CONFIRMED))
    assert await let_timers_work(harness, START + 99 * HOUR) == 0
    assert len(await read_no_shows(harness)) == 1


async def test_tours_that_were_imported_become_no_no_shows(harness: WorkflowHarness) -> None:
    world, lead = harness.world, await harness.create_lead()
    cause = Cause("import", origin=Origin.IMPORT)
    await world.append(
        NewEvent(uuid4(), tour_scheduled(uuid4(), lead), world.org_id, harness.property_id,
                 world.now, cause)
    )  # fmt: skip
    assert await let_timers_work(harness, world.now + timedelta(days=99)) == 0


async def test_a_tour_that_cannot_be_recorded_does_not_hold_back_the_others(
    harness: WorkflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = [await harness.create_lead() for _ in range(3)]
    bad, *good = [await book(harness, lead) for lead in leads]
    record = tour_outcomes._record_no_show

    def fail_for_one(command: Any, state: Any) -> Any:
        if command.tour_id == bad:
            raise RuntimeError("a fault of this build")
        return record(command, state)

    monkeypatch.setattr(tour_outcomes, "_record_no_show", fail_for_one)
    await let_timers_work(harness, START + 2 * HOUR)
    assert {row["entity_id"] for row in await read_no_shows(harness)} == set(good)
    row = await harness.world.pool.fetchrow("SELECT entity_id, attempts, error FROM crm.timers")
    assert row is not None
    assert (row["entity_id"], row["attempts"]) == (bad, 1)
    assert row["error"].startswith("RuntimeError in ")
    monkeypatch.undo()
    await let_timers_work(harness, START + 2 * HOUR + MINUTE)
    assert len(await read_no_shows(harness)) == 3


async def test_several_workers_record_each_no_show_once(harness: WorkflowHarness) -> None:
    leads = [await harness.create_lead() for _ in range(5)]
    tours = {await book(harness, lead, time(5, 10 * n)) for n, lead in enumerate(leads)}
    stop = asyncio.Event()
    pool = harness.world.pool
    workers = [
        asyncio.create_task(record_no_shows_regularly(pool, stop, Clock())) for _ in range(3)
    ]

    async def is_done() -> bool:
        return len(await read_no_shows(harness)) >= len(tours)

    await until(is_done)
    stop.set()
    await asyncio.gather(*workers)
    assert sorted(row["entity_id"] for row in await read_no_shows(harness)) == sorted(tours)
