"""Admission of observed records, on a real database."""

from uuid import uuid4

import asyncpg
import orjson

from events.merges import LeadMerged
from services.application.raw_record import RawRecord
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.intake.producer_records import (
    binary_headers,
    binary_record,
    engagement_data,
    raw_record,
    statuses,
    structured_record,
)
from tests.world import World, read_parked_reasons


async def test_observed_events_are_appended_and_projected(
    world: World, admission: Admission
) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    property_id = world.properties[0]
    session, conversation = str(uuid4()), str(uuid4())
    records = [
        binary_record(
            "session.started", {"session_id": session, "lead_id": str(lead)}, property_id
        ),
        structured_record(
            "conversation.started",
            {
                "conversation_id": conversation,
                "session_id": session,
                "lead_id": str(lead),
                "channel": "widget",
            },
            property_id,
        ),
        binary_record(
            "conversation.message_received",
            {
                "conversation_id": conversation,
                "session_id": session,
                "lead_id": str(lead),
                "message_id": str(uuid4()),
                "content": "Is there a flat?",
            },
            property_id,
        ),
        binary_record("engagement.recorded", engagement_data(lead), property_id),
        binary_record(
            "activity.recorded",
            {"activity_id": str(uuid4()), "lead_id": str(lead), "type": "call_made"},
            property_id,
        ),
    ]
    assert statuses(await admission.admit(records)) == ["accepted"] * 5
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    assert await world.count("messages") == 1
    assert await world.count("lead_activities") == 1 + 1 + 1 + 1


async def test_a_reported_call_is_a_contact_of_the_lead_once(
    world: World, admission: Admission
) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    call = binary_record(
        "activity.recorded",
        {"activity_id": str(uuid4()), "lead_id": str(lead), "type": "call_made"},
        world.properties[0], time="2026-03-01T13:00:00Z",
    )  # fmt: skip
    assert statuses(await admission.admit([call])) == ["accepted"]
    assert statuses(await admission.admit([call])) == ["duplicate"]
    await world.project()
    assert await world.count("crm_events WHERE event_type = 'lead.contacted'") == 1
    assert await world.count("leads WHERE last_contacted_at = '2026-03-01T13:00:00Z'") == 1
    assert await world.count("lead_activities WHERE type = 'call_made'") == 1


async def test_a_reported_call_to_a_merged_lead_is_a_contact_of_the_surviving_lead(
    world: World, admission: Admission
) -> None:
    first, second, third = leads = uuid4(), uuid4(), uuid4()
    captured = (world.captured(lead, email=f"{lead}@example.com") for lead in leads)
    await world.append(*(world.new(event) for event in captured))

    def call() -> RawRecord:
        data = {"activity_id": str(uuid4()), "lead_id": str(first), "type": "call_made"}
        return binary_record("activity.recorded", data, world.properties[0])

    before_merge = call()
    assert statuses(await admission.admit([before_merge])) == ["accepted"]
    await world.append(
        world.new(LeadMerged(loser_id=first, winner_id=second)),
        world.new(LeadMerged(loser_id=second, winner_id=third)),
    )
    assert statuses(await admission.admit([before_merge, call()])) == ["duplicate", "accepted"]
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    rows = await world.pool.fetch("SELECT id FROM leads WHERE last_contacted_at IS NOT NULL")
    assert {row["id"] for row in rows} == {first, third}


async def test_every_dead_letter_of_a_known_property_has_its_organisation(
    world: World, pool: asyncpg.Pool
) -> None:
    known, unknown = world.properties[0], uuid4()
    signed = IntakeSettings.model_validate(
        {"keys": {"k": {"org": world.org_id, "secret": "x" * 32}}, "wait_seconds": 0}
    )
    lead = {"lead_id": str(uuid4()), "note": "x"}
    in_data = {"lead_id": "none", "property_id": str(known)}
    broken = (
        binary_record("lead.noted", lead, known),  # unsigned
        binary_record("lead.knighted", lead, known),
        binary_record("lead.imported", {**lead, "external_id": "x"}, known),
        binary_record("lead.noted", {"lead_id": "none"}, known),
        binary_record("lead.noted", lead, known, time="yesterday"),
        structured_record("lead.noted", "no object", known),
        raw_record(b"{", (("ce_propertyid", str(known).encode()),)),
        raw_record(b"not JSON", key=str(known).encode()),
        raw_record(
            orjson.dumps(in_data),
            tuple(
                (name, value) for name, value in binary_headers("lead.noted", known)
                if name != "ce_propertyid"
            ),
        ),
    )  # fmt: skip
    await Admission(pool, signed, Clock()).admit(broken)
    foreign = binary_record("lead.noted", lead, unknown)
    nobody = raw_record(b"not JSON", key=b"\xff")
    await Admission(pool, IntakeSettings(wait_seconds=0), Clock()).admit([foreign, nobody])
    rows = await pool.fetch("SELECT id, property_id, org_id, reason FROM crm.dead_letters")
    tenants = {row["id"]: (row["org_id"], row["property_id"]) for row in rows}
    assert [tenants[record.id] for record in broken] == [(world.org_id, known)] * len(broken)
    assert tenants[foreign.id] == (None, unknown)
    assert tenants[nobody.id] == (None, None)


async def test_an_engagement_of_a_merged_lead_keeps_its_lead_and_counts_for_the_winner(
    world: World, admission: Admission
) -> None:
    loser, winner, property_id = uuid4(), uuid4(), world.properties[0]
    await world.append(
        world.new(world.captured(loser)),
        world.new(world.captured(winner, email="eve@example.com")),
        world.new(LeadMerged(loser_id=loser, winner_id=winner)),
    )
    engagement = binary_record("engagement.recorded", engagement_data(loser), property_id)
    assert statuses(await admission.admit([engagement])) == ["accepted"]
    noted = binary_record("lead.noted", {"lead_id": str(loser), "note": "rang"}, property_id)
    assert statuses(await admission.admit([noted])) == ["accepted"]
    assert statuses(await admission.admit([noted])) == ["duplicate"]
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    async with world.pool.acquire() as conn:
        done = await conn.fetchval(
            "SELECT lead_id FROM lead_engagement_events WHERE event_type = 'email_opened'"
        )
        noted_of = await conn.fetchval("SELECT lead_id FROM lead_activities WHERE type = 'note'")
        score = await conn.fetchval(
            "SELECT engagement_score FROM lead_scores WHERE lead_id = $1 "
            "ORDER BY revision DESC LIMIT 1", winner,
        )  # fmt: skip
        rows = await conn.fetch("SELECT lead_id, next_change_at FROM crm_state.lead_score_state")
    assert (done, noted_of, score) == (loser, winner, 10 + 10 + 8)
    assert {row["lead_id"] for row in rows if row["next_change_at"] is None} == {loser}


async def test_a_repeated_record_is_a_duplicate_and_other_content_with_its_id_is_rejected(
    world: World, admission: Admission
) -> None:
    lead, property_id = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)))
    data = engagement_data(lead)
    first = binary_record("engagement.recorded", data, property_id, ce_id="1")
    again = binary_record("engagement.recorded", data, property_id, ce_id="1")
    other = binary_record(
        "engagement.recorded", {**data, "event_type": "price_check"}, property_id, ce_id="1"
    )
    elsewhere = binary_record("engagement.recorded", data, property_id, ce_id="1", source="/other")
    results = statuses(await admission.admit([first, again, other, elsewhere]))
    assert results == ["accepted", "duplicate", "dead id_reused", "accepted"]
    assert statuses(await admission.admit([first, other])) == ["duplicate", "dead id_reused"]


async def test_wrong_records_among_a_thousand_reject_no_other_record(
    world: World, admission: Admission
) -> None:
    lead, property_id = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)))
    records = [
        binary_record("engagement.recorded", engagement_data(lead), property_id)
        for _ in range(1_000)
    ]
    records[500] = binary_record(
        "engagement.recorded", engagement_data(lead), property_id, time="2999-01-01T00:00:00Z"
    )
    nul = engagement_data(lead, metadata={"a": "\x00"})
    records[700] = binary_record("engagement.recorded", nul, property_id)
    results = statuses(await admission.admit(records))
    assert results[500] == results[700] == "dead limit_exceeded"
    assert results.count("accepted") == 998


async def test_an_event_that_names_an_unknown_profile_is_rejected(
    world: World, admission: Admission
) -> None:
    lead, property_id = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)))
    data = {
        "activity_id": str(uuid4()), "lead_id": str(lead), "type": "note",
        "created_by": str(uuid4()),
    }  # fmt: skip
    outcome = await admission.admit([binary_record("activity.recorded", data, property_id)])
    assert statuses(outcome) == ["dead unknown_profile"]
    await world.pool.execute(
        "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
        data["created_by"], world.org_id,
    )  # fmt: skip
    assert statuses(
        await admission.admit([binary_record("activity.recorded", data, property_id)])
    ) == ["accepted"]
