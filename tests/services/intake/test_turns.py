"""Fair intake: a flood of one organisation does not delay the records of another."""

import asyncio
from collections import deque
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.leads import LeadNoted
from events.record import Cause, NewEvent
from services.application.dead_letters import DeadLetterFilter
from services.application.raw_record import RawRecord
from services.intake.admission import Admission
from services.intake.decided import Turns
from services.intake.outcome import IntakeItem
from services.intake.pending_records import is_full_of_deferred
from services.intake.pending_retry import make_room, retry_pending
from services.intake.redrive import redrive
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.conftest import until
from tests.services.intake.producer_records import binary_record, engagement_data
from tests.stored_events import read_stored_events
from tests.world import START, World, make_world

FLOOD = 60


@pytest.fixture
async def flooder(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=3)


@pytest.fixture
async def other(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def create_leads(world: World) -> dict[UUID, UUID]:
    """Append a lead in each property; return property → lead."""
    leads = {property_id: uuid4() for property_id in world.properties}
    for property_id, lead in leads.items():
        captured = world.captured(lead, email=f"{lead}@example.com")
        await world.append(world.new(captured, property_id=property_id))
    return leads


async def create_flood(world: World, count: int = FLOOD) -> list[RawRecord]:
    """Return numbered notes for the world's properties in turn."""
    leads = await create_leads(world)
    return [
        note(property_id, leads[property_id], str(number))
        for number in range(count)
        for property_id in [world.properties[number % len(leads)]]
    ]


def note(property_id: UUID, lead: UUID, text: str) -> RawRecord:
    return binary_record("lead.noted", {"lead_id": str(lead), "note": text}, property_id)


async def notes_of(world: World) -> dict[UUID, list[int]]:
    """Return property → the numbers of its notes in the order of the log."""
    rows = await read_stored_events(
        world.pool, "event_type = 'lead.noted' AND org_id = $1", world.org_id
    )
    notes: dict[UUID, list[int]] = {}
    for row in rows:
        notes.setdefault(row["property_id"], []).append(int(row["payload"]["note"]))
    return notes


async def finish(admission: Admission) -> None:
    """Retry pending records until none is left."""

    async def is_empty() -> bool:
        await retry_pending(admission)
        return not await admission.pool.fetchval("SELECT count(*) FROM crm.intake_waiting")

    await until(is_empty)


def test_organisations_take_turns_and_a_property_is_taken_once(
    flooder: World, other: World
) -> None:
    first, second, third = (queue_of(flooder.org_id) for _ in range(3))
    single = queue_of(other.org_id)
    turns = Turns([first, second, third, single])
    assert [turns.take() for _ in range(5)] == [first, single, second, third, None]
    first.popleft()
    turns.give_back(first)
    single.popleft()
    single.popleft()
    turns.give_back(single)
    assert [turns.take() for _ in range(2)] == [first, None], "an empty queue has no turn"


def queue_of(org_id: UUID) -> deque[IntakeItem]:
    """Return a queue with two decided events."""
    queue: deque[IntakeItem] = deque()
    property_id = uuid4()
    for _ in range(2):
        item = IntakeItem(note(property_id, uuid4(), "1"))
        event = LeadNoted(lead_id=uuid4(), note="1")
        item.new = NewEvent(uuid4(), event, org_id, property_id, START, Cause("test"))
        queue.append(item)
    return queue


async def test_what_is_not_decided_in_time_waits_and_is_appended_later_in_order(
    flooder: World, other: World, pool: asyncpg.Pool
) -> None:
    flood = await create_flood(flooder)
    ((property_id, lead),) = (await create_leads(other)).items()
    settings = IntakeSettings(
        batch_seconds=0, wait_seconds=0, waiting_at_most=0, first_retry_seconds=0.001,
        longest_retry_seconds=0.001,
    )  # fmt: skip
    admission = Admission(pool, settings, Clock())
    outcomes = await admission.admit([*flood, note(property_id, lead, "0")])
    statuses = [outcome.status.value for outcome in outcomes]
    assert statuses[-1] == "accepted", "the other organisation had its turn"
    assert 0 < statuses.count("waiting") < FLOOD
    observed = binary_record(
        "engagement.recorded", engagement_data(lead), property_id, source="/other"
    )
    late = note(flooder.properties[0], uuid4(), "999")
    outcomes = await admission.admit([late, observed])
    assert [outcome.status.value for outcome in outcomes] == ["waiting", "accepted"]
    await finish(admission)
    assert await notes_of(flooder) == {
        property_id: list(range(number, FLOOD, 3))
        for number, property_id in enumerate(flooder.properties)
    }
    dead = await pool.fetch("SELECT reason FROM crm.dead_letters")
    assert [row["reason"] for row in dead] == ["unknown_subject"], "only the lead nobody knows"
    waiting = await pool.fetchval("SELECT count(*) FROM crm.intake_outcomes WHERE status='waiting'")
    assert waiting == 0


@pytest.mark.parametrize("is_fair", [True, False])
async def test_a_record_is_not_delayed_by_a_batch_of_another_organisation(
    flooder: World, other: World, pool: asyncpg.Pool, is_fair: bool
) -> None:
    flood = await create_flood(flooder, 300)
    ((property_id, lead),) = (await create_leads(other)).items()
    settings = IntakeSettings(batch_seconds=0.05 if is_fair else 3_600)
    admission = Admission(pool, settings, Clock())
    flooding = asyncio.create_task(admission.admit(flood))
    await asyncio.sleep(0)  # one turn of the event loop, in which the flood takes the lock
    (outcome,) = await admission.admit([note(property_id, lead, "0")])
    assert outcome.status.value == "accepted"
    before = sum(len(numbers) for numbers in (await notes_of(flooder)).values())
    assert (before < 300) is is_fair
    await flooding
    await finish(admission)
    assert sum(len(numbers) for numbers in (await notes_of(flooder)).values()) == 300


async def test_redriven_records_do_not_wait_for_their_turn(
    flooder: World, pool: asyncpg.Pool
) -> None:
    unsigned = IntakeSettings.model_validate(
        {"keys": {"k": {"org": flooder.org_id, "secret": "x" * 32}}}
    )
    await Admission(pool, unsigned, Clock()).admit(await create_flood(flooder))
    counts = await redrive(
        pool, IntakeSettings(batch_seconds=0), DeadLetterFilter(), lambda _count: None
    )
    assert counts == {"accepted": FLOOD}


async def test_without_room_for_waiting_records_a_batch_is_decided_completely(
    flooder: World, pool: asyncpg.Pool
) -> None:
    settings = IntakeSettings(batch_seconds=0, deferred_at_most=0)
    outcomes = await Admission(pool, settings, Clock()).admit(await create_flood(flooder))
    assert {outcome.status.value for outcome in outcomes} == {"accepted"}


async def test_the_topic_is_read_again_when_few_records_wait_for_their_turn(
    flooder: World, pool: asyncpg.Pool
) -> None:
    admission = Admission(pool, IntakeSettings(batch_seconds=0, deferred_at_most=5), Clock())
    await admission.admit(await create_flood(flooder))
    async with pool.acquire() as conn:
        assert await is_full_of_deferred(conn, 5)
        await make_room(admission)
        assert not await is_full_of_deferred(conn, 5)
        assert await conn.fetchval("SELECT count(*) FROM crm.intake_waiting") < 5


async def test_a_flood_of_observed_records_delays_others_by_one_transaction_per_batch(
    flooder: World, other: World, pool: asyncpg.Pool
) -> None:
    """To let them wait for their turn would cost as much as to append them."""
    leads = await create_leads(flooder)
    ((property_id, lead),) = (await create_leads(other)).items()
    limit = IntakeSettings().batch_records
    flood = [
        binary_record("engagement.recorded", engagement_data(leads[key]), key, ce_id=str(number))
        for number in range(limit - 1)
        for key in [flooder.properties[number % len(leads)]]
    ]
    own = binary_record("engagement.recorded", engagement_data(lead), property_id)
    outcomes = await Admission(pool, IntakeSettings(), Clock()).admit([*flood, own])
    assert {outcome.status.value for outcome in outcomes} == {"accepted"}
    rows = await pool.fetch(
        "SELECT xmin::text, count(*) FROM crm_events WHERE event_type = 'engagement.recorded' "
        "GROUP BY 1"
    )
    assert [row["count"] for row in rows] == [limit]
