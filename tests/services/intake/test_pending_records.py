"""Records that wait until their subject is known."""

from uuid import uuid4

import asyncpg

from events.keys.contents import ERASED
from services.intake.admission import Admission
from services.intake.outcome import IntakeStatus
from services.intake.pending_retry import retry_pending
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.intake.producer_records import (
    binary_record,
    captured,
    engagement_data,
    statuses,
)
from tests.world import World


async def test_records_wait_for_their_subject_in_order(world: World, pool: asyncpg.Pool) -> None:
    admission = Admission(
        pool, IntakeSettings(first_retry_seconds=0.001, longest_retry_seconds=0.001), Clock()
    )
    lead, property_id = uuid4(), world.properties[0]
    early = [
        binary_record("engagement.recorded", engagement_data(lead), property_id, ce_id=str(n))
        for n in range(5)
    ]
    assert statuses(await admission.admit(early)) == ["waiting"] * 5
    await retry_pending(admission)
    assert await world.count("crm.intake_waiting") == 5
    await world.append(world.new(world.captured(lead)))
    assert statuses(
        await admission.admit(
            [binary_record("engagement.recorded", engagement_data(lead), property_id, ce_id="5")]
        )
    ) == ["waiting"], "a later record about the same subject waits too"
    while await retry_pending(admission):
        pass
    assert await world.count("crm.intake_waiting") == 0
    rows = await pool.fetch(
        "SELECT payload ->> 'engagement_id' AS id FROM crm_events "
        "WHERE event_type = 'engagement.recorded' ORDER BY seq"
    )
    assert len(rows) == 6
    assert IntakeStatus.DUPLICATE in [o.status for o in await admission.admit(early)]


async def test_a_record_whose_subject_never_appears_becomes_a_dead_letter(
    world: World, pool: asyncpg.Pool
) -> None:
    settings = IntakeSettings(wait_seconds=0.01, first_retry_seconds=0.001)
    admission = Admission(pool, settings, Clock())
    nowhere = binary_record("engagement.recorded", engagement_data(uuid4()), uuid4())
    early = binary_record("engagement.recorded", engagement_data(uuid4()), world.properties[0])
    assert statuses(await admission.admit([nowhere, early])) == ["waiting", "waiting"]
    for _ in range(1_000):
        await retry_pending(admission)
        if not await world.count("crm.intake_waiting"):
            break
    rows = await pool.fetch("SELECT reason, property_id FROM crm.dead_letters")
    assert [row["reason"] for row in rows] == ["unknown_subject"] * 2
    assert world.properties[0] in [row["property_id"] for row in rows]


async def test_a_pending_record_whose_content_is_erased_is_deleted(
    world: World, owner_pool: asyncpg.Pool, pool: asyncpg.Pool
) -> None:
    """An erasure that runs while a record is admitted can leave such a row."""
    admission = Admission(
        pool, IntakeSettings(first_retry_seconds=0.001, longest_retry_seconds=0.001), Clock()
    )
    lead = uuid4()
    early = binary_record("engagement.recorded", engagement_data(lead), world.properties[0])
    assert statuses(await admission.admit([early])) == ["waiting"]
    await owner_pool.execute("UPDATE crm.intake_waiting SET content = $1", ERASED)
    await world.append(world.new(world.captured(lead)))
    assert await retry_pending(admission) == 1
    assert await retry_pending(admission) == 0
    assert await world.count("crm.intake_waiting") == 0


async def test_no_more_records_are_pending_than_the_setting_allows(
    world: World, pool: asyncpg.Pool
) -> None:
    admission = Admission(pool, IntakeSettings(waiting_at_most=2), Clock())
    records = [
        binary_record("engagement.recorded", engagement_data(uuid4()), world.properties[0])
        for _ in "abc"
    ]
    assert statuses(await admission.admit(records)) == ["waiting", "waiting", "dead waiting_full"]


async def test_records_that_are_pending_already_count_against_the_limit(
    world: World, pool: asyncpg.Pool
) -> None:
    admission = Admission(pool, IntakeSettings(waiting_at_most=2), Clock())
    outcomes = []
    for ce_id in "abc":
        data = engagement_data(uuid4())
        record = binary_record("engagement.recorded", data, world.properties[0], ce_id=ce_id)
        outcomes += statuses(await admission.admit([record]))
    assert outcomes == ["waiting", "waiting", "dead waiting_full"]


async def test_a_decided_event_waits_for_its_subject_too(world: World, pool: asyncpg.Pool) -> None:
    admission = Admission(
        pool, IntakeSettings(first_retry_seconds=0.001, longest_retry_seconds=0.001), Clock()
    )
    lead, property_id = uuid4(), world.properties[0]
    noted = binary_record(
        "lead.noted", {"lead_id": str(lead), "note": "Wants a balcony"}, property_id
    )
    early = binary_record("engagement.recorded", engagement_data(lead), property_id)
    assert statuses(await admission.admit([noted, early])) == ["waiting", "waiting"]
    arrival = binary_record("lead.captured", captured(lead), property_id)
    assert statuses(await admission.admit([arrival])) == ["accepted"]
    while await retry_pending(admission):
        pass
    rows = await pool.fetch(
        "SELECT event_type FROM crm_events WHERE lead_id = $1 ORDER BY seq", lead
    )
    assert [row["event_type"] for row in rows] == [
        "lead.captured", "lead.noted", "engagement.recorded",
    ]  # fmt: skip
