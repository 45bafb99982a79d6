"""Admission of records, on a real database."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.merges import LeadMerged
from services.intake.admission import Admission
from services.intake.outcome import IntakeOutcome, IntakeStatus
from services.intake.pending_retry import retry_pending
from services.intake.raw_record import RawRecord
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.intake.producer_records import binary_record, engagement_data, structured_record
from tests.world import World, make_world, read_parked_reasons


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


@pytest.fixture
def admission(pool: asyncpg.Pool) -> Admission:
    return Admission(pool, IntakeSettings(), Clock())


def statuses(outcomes: Sequence[IntakeOutcome]) -> list[str]:
    return [f"{o.status.value} {o.reason}".strip() for o in outcomes]


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


async def test_a_lead_of_another_property_is_rejected(world: World, admission: Admission) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    outcome = await admission.admit(
        [binary_record("engagement.recorded", engagement_data(lead), world.properties[1])]
    )
    assert statuses(outcome) == ["dead wrong_property"]


async def test_ids_of_another_organisation_are_rejected_and_park_no_event(
    world: World, admission: Admission
) -> None:
    """A table has one row per id, so an id that a producer chooses may belong to another."""
    other = await make_world(world.pool)
    property_ids, leads = (world.properties[0], other.properties[0]), (uuid4(), uuid4())
    ids = {kind: str(uuid4()) for kind in ("session", "engagement", "activity", "tour")}
    conversations, message = (str(uuid4()), str(uuid4())), str(uuid4())

    def all_of(number: int) -> list[RawRecord]:
        lead, property_id, own = str(leads[number]), property_ids[number], str(uuid4())
        noted = {"lead_id": lead, "type": "note", "activity_id": ids["activity"]}
        conversation = {"conversation_id": conversations[number]}
        data = {**conversation, "message_id": message, "content": "Is there a flat?"}
        records: list[tuple[str, dict[str, Any]]] = [
            ("lead.captured", captured(leads[number])),
            ("session.started", {"session_id": ids["session"]}),
            ("conversation.started", {**conversation, "lead_id": lead, "channel": "widget"}),
            ("conversation.message_received", {**data, "lead_id": lead}),
            ("conversation.started", {"conversation_id": conversations[0], "channel": "widget"}),
            (
                "conversation.replied",
                {**conversation, "message_id": own, "content": "Yes", "epoch": 0},
            ),
            ("conversation.waiting", {**data, "reason": "asked"}),
            (
                "engagement.recorded",
                {**engagement_data(leads[number]), "engagement_id": ids["engagement"]},
            ),
            ("activity.recorded", noted),
            ("tour.scheduled", _toured(lead, ids["tour"])),
        ]
        return [binary_record(name, data, property_id) for name, data in records]

    first = statuses(await admission.admit(all_of(0)))
    assert first == [*["accepted"] * 6, "dead id_reused", *["accepted"] * 3]
    assert statuses(await admission.admit(all_of(1))) == [
        "accepted", "dead wrong_property", "accepted", "dead id_reused", "dead wrong_property",
        "accepted", "dead id_reused", "dead wrong_property", "dead wrong_property",
        "dead wrong_property",
    ]  # fmt: skip
    await world.project()
    assert await read_parked_reasons(world.pool) == []


def _toured(lead_id: str, tour_id: str) -> dict[str, object]:
    return {
        "tour_id": tour_id, "lead_id": lead_id, "tour_date": "2026-04-02", "tour_time": "14:00",
        "time_zone": "America/New_York", "fold": 0, "starts_at": "2026-04-02T18:00:00Z",
        "duration_minutes": 30, "tour_type": "in_person", "source": "host",
    }  # fmt: skip


async def test_a_tour_may_have_the_id_of_an_engagement(world: World, admission: Admission) -> None:
    """The no-show of the tour is an engagement too; the row of the first one stays unchanged."""
    lead, property_id = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)), event := world.new(world.engagement(lead)))
    tour = _toured(str(lead), str(event.id))
    missed = {"tour_id": str(event.id), "lead_id": str(lead)}
    records = [
        binary_record("tour.scheduled", tour, property_id),
        binary_record("tour.no_show_recorded", missed, property_id, time="2026-04-03T18:00:00Z"),
    ]
    assert statuses(await admission.admit(records)) == ["accepted"] * 2
    await world.project()
    assert await read_parked_reasons(world.pool) == []


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


async def test_no_more_records_are_pending_than_the_setting_allows(
    world: World, pool: asyncpg.Pool
) -> None:
    admission = Admission(pool, IntakeSettings(waiting_at_most=2), Clock())
    records = [
        binary_record("engagement.recorded", engagement_data(uuid4()), world.properties[0])
        for _ in "abc"
    ]
    assert statuses(await admission.admit(records)) == ["waiting", "waiting", "dead waiting_full"]


def captured(lead: UUID, **more: object) -> dict[str, object]:
    return {
        "lead_id": str(lead), "source": "Zillow", "first_name": "Grace", "email": f"{lead}@acme.io",
        **more,
    }  # fmt: skip


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
