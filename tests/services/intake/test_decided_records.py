"""Records about which the core's deciders decide, on a real database."""

from uuid import uuid4

import pytest

from services.intake.admission import Admission
from tests.services.intake.producer_records import (
    binary_record,
    captured,
    engagement_data,
    statuses,
)
from tests.world import World, read_parked_reasons


async def test_a_decided_event_is_appended_once_if_the_decider_agrees(
    world: World, admission: Admission
) -> None:
    lead, property_id = uuid4(), world.properties[0]
    new_lead = binary_record("lead.captured", captured(lead), property_id, ce_id="l-1")
    follow = binary_record("engagement.recorded", engagement_data(lead), property_id)
    moved = binary_record(
        "lead.status_changed", {"lead_id": str(lead), "status": "contacted"}, property_id
    )
    assert statuses(await admission.admit([new_lead, follow, moved])) == ["accepted"] * 3
    assert statuses(await admission.admit([new_lead, moved])) == ["duplicate", "duplicate"]
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    assert await world.pool.fetchval("SELECT status FROM leads") == "contacted"


async def test_a_decided_event_becomes_a_dead_letter_if_the_decider_disagrees(
    world: World, admission: Admission
) -> None:
    lead, property_id = uuid4(), world.properties[0]
    leased = binary_record(
        "lead.status_changed", {"lead_id": str(lead), "status": "leased"}, property_id
    )
    lost = binary_record(
        "lead.status_changed", {"lead_id": str(lead), "status": "lost"}, property_id
    )
    records = [binary_record("lead.captured", captured(lead), property_id), leased, lost]
    assert statuses(await admission.admit(records)) == ["accepted", "accepted", "dead leased"]


@pytest.mark.parametrize("status", ["open", "dropped"])
async def test_a_dead_letter_stays_one_when_its_record_is_read_again(
    world: World, admission: Admission, status: str
) -> None:
    """It would be accepted by now. Only a redrive, or a new record, is decided again."""
    first, other, property_id = uuid4(), uuid4(), world.properties[0]
    await admission.admit(
        [
            binary_record("lead.captured", captured(first, email="one@acme.io"), property_id),
            binary_record("lead.captured", captured(other, email="two@acme.io"), property_id),
        ]
    )
    claimed = {"lead_id": str(first), "email": "two@acme.io"}
    batch = [
        binary_record("lead.updated", claimed, property_id, ce_id="r1"),
        binary_record(
            "lead.updated", {"lead_id": str(other), "email": "three@acme.io"}, property_id
        ),
    ]
    assert statuses(await admission.admit(batch)) == ["dead known_lead", "accepted"]
    await world.pool.execute("UPDATE crm.dead_letters SET status = $1", status)
    recorded_events = "SELECT id FROM crm_events ORDER BY seq"
    before = (
        await world.pool.fetch(recorded_events),
        await world.pool.fetch("TABLE crm.dead_letters"),
    )
    assert statuses(await admission.admit(batch)) == ["dead known_lead", "duplicate"]
    assert before == (
        await world.pool.fetch(recorded_events),
        await world.pool.fetch("TABLE crm.dead_letters"),
    )
    assert statuses(await admission.admit([batch[0]], is_redrive=True)) == ["accepted"]
    sent_again = binary_record("lead.updated", claimed, property_id, ce_id="r1")
    assert statuses(await admission.admit([sent_again])) == ["duplicate"]
