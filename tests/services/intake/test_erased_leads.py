"""Records about an erased person: refused with a clear reason, and nothing of them is kept."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.consents import ConsentChannel, consent_id
from events.keys.contents import ERASED
from events.leads import LeadErased
from services.intake.admission import Admission
from services.intake.pending_retry import retry_pending
from tests.services.intake.producer_records import (
    binary_record,
    captured,
    engagement_data,
    statuses,
)
from tests.world import World

SECRET = "Ada moves to Oak Street"
LATER_ONES = [
    "engagement.recorded", "activity.recorded", "session.started", "conversation.started",
    "conversation.message_received", "session.identified", "tour.scheduled", "consent.given",
    "consent.withdrawn", "lead.noted", "lead.updated", "lead.status_changed",
]  # fmt: skip


def data_of(name: str, lead: UUID, session: UUID, conversation: UUID) -> dict[str, Any]:
    """Return the data of an event that names an erased lead, or its erased conversation."""
    consent = {
        "lead_id": str(lead), "channel": "sms", "place": SECRET, "at": "2026-03-01T12:00:00Z",
        "consent_id": str(consent_id(lead, ConsentChannel.SMS)), "text": SECRET,
    }  # fmt: skip
    match name:
        case "engagement.recorded":
            return engagement_data(lead, metadata={"note": SECRET})
        case "activity.recorded":
            return {"activity_id": str(uuid4()), "lead_id": str(lead), "type": "call_made",
                    "description": SECRET}  # fmt: skip
        case "session.started":
            return {"session_id": str(uuid4()), "visitor_id": "v_1", "lead_id": str(lead),
                    "referrer_url": SECRET}  # fmt: skip
        case "conversation.started":
            return {"conversation_id": str(uuid4()), "lead_id": str(lead), "channel": "widget"}
        case "conversation.message_received":
            return {"conversation_id": str(conversation), "message_id": str(uuid4()),
                    "content": SECRET}  # fmt: skip
        case "session.identified":
            return {"session_id": str(session), "lead_id": str(lead)}
        case "tour.scheduled":
            return {
                "tour_id": str(uuid4()), "lead_id": str(lead), "tour_date": "2026-04-02",
                "tour_time": "14:00", "time_zone": "America/New_York", "fold": 0,
                "starts_at": "2026-04-02T18:00:00Z", "duration_minutes": 30,
                "tour_type": "in_person", "source": "host", "notes": SECRET,
            }  # fmt: skip
        case "consent.given" | "consent.withdrawn":
            return consent
        case "lead.noted":
            return {"lead_id": str(lead), "note": SECRET}
        case "lead.updated":
            return {"lead_id": str(lead), "notes": SECRET}
        case _:
            return {"lead_id": str(lead), "status": "lost", "reason": SECRET}


@pytest.fixture
async def erased(world: World, admission: Admission) -> tuple[UUID, UUID, UUID]:
    """Return an erased lead with its session and conversation, and another session."""
    lead, session, conversation = uuid4(), uuid4(), uuid4()
    property_id = world.properties[0]
    records = [
        binary_record("lead.captured", captured(lead), property_id),
        binary_record(
            "session.started", {"session_id": str(session), "visitor_id": "v_1"}, property_id
        ),
        binary_record(
            "conversation.started",
            {"conversation_id": str(conversation), "lead_id": str(lead), "channel": "widget"},
            property_id,
        ),
    ]
    assert statuses(await admission.admit(records)) == ["accepted"] * 3
    await world.append(
        world.new(LeadErased(lead_id=lead, reason="r", conversation_ids=(conversation,)))
    )
    return lead, session, conversation


@pytest.mark.parametrize("name", LATER_ONES)
async def test_a_record_about_an_erased_lead_is_a_dead_letter_without_its_content(
    world: World, admission: Admission, erased: tuple[UUID, UUID, UUID], name: str
) -> None:
    record = binary_record(name, data_of(name, *erased), world.properties[0])
    assert statuses(await admission.admit([record])) == ["dead lead_erased"]
    row = await world.pool.fetchrow("SELECT content, reason, event_type FROM crm.dead_letters")
    assert row is not None
    assert tuple(row) == (ERASED, "lead_erased", name)
    [outcome] = await world.pool.fetch(
        "SELECT status, reason FROM crm.intake_outcomes WHERE id = $1", record.id
    )
    assert tuple(outcome) == ("refused", "lead_erased")


async def test_the_other_records_of_a_batch_are_accepted(
    world: World, admission: Admission, erased: tuple[UUID, UUID, UUID]
) -> None:
    other, property_id = uuid4(), world.properties[0]
    await admission.admit([binary_record("lead.captured", captured(other), property_id)])
    records = [
        binary_record("engagement.recorded", engagement_data(lead), property_id)
        for lead in (other, erased[0], other, erased[0])
    ]
    assert statuses(await admission.admit(records)) == ["accepted", "dead lead_erased"] * 2


async def test_a_record_that_waited_for_an_erased_lead_is_not_kept(
    world: World, admission: Admission
) -> None:
    """It arrives again after the erasure: everything that waited is decided as if it were new."""
    lead, property_id = uuid4(), world.properties[0]
    waiting = binary_record("engagement.recorded", engagement_data(lead), property_id)
    assert statuses(await admission.admit([waiting])) == ["waiting"]
    await world.append(
        world.new(world.captured(lead)), world.new(LeadErased(lead_id=lead, reason="r"))
    )
    await retry(admission, world.pool)
    rows = await world.pool.fetch("SELECT reason, content FROM crm.dead_letters")
    assert [tuple(row) for row in rows] == [("lead_erased", ERASED)]
    assert await world.pool.fetchval("SELECT count(*) FROM crm.intake_waiting") == 0


async def retry(admission: Admission, pool: asyncpg.Pool) -> None:
    """Retry the waiting records now instead of after their pause."""
    await pool.execute("UPDATE crm.intake_waiting SET next_try_at = '-infinity'")
    assert await retry_pending(admission) == 1


async def test_a_record_that_is_refused_for_another_reason_is_not_kept_either(
    world: World, admission: Admission, erased: tuple[UUID, UUID, UUID]
) -> None:
    """Its time is in the future, which is found first."""
    data = engagement_data(erased[0], metadata={"note": SECRET})
    record = binary_record(
        "engagement.recorded", data, world.properties[0], time="2099-01-01T00:00:00Z"
    )
    assert statuses(await admission.admit([record])) == ["dead limit_exceeded"]
    assert await world.pool.fetchval("SELECT content FROM crm.dead_letters") == ERASED


@pytest.mark.parametrize("name", ["lead.noted", "engagement.recorded"])
async def test_a_record_from_before_the_erasure_is_a_duplicate_when_it_is_sent_again(
    world: World, admission: Admission, name: str
) -> None:
    lead, property_id = uuid4(), world.properties[0]
    record = binary_record(name, data_of(name, lead, uuid4(), uuid4()), property_id, ce_id="one")
    await admission.admit([binary_record("lead.captured", captured(lead), property_id), record])
    await world.append(world.new(LeadErased(lead_id=lead, reason="r")))
    assert statuses(await admission.admit([record])) == ["duplicate"]
