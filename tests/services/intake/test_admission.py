"""Taking records in, on a real database."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.leads import LeadMerged
from services.intake.admission import Door
from services.intake.outcome import Fate, Outcome
from services.intake.raw_record import Received
from services.intake.settings import IntakeSettings
from tests.services.intake.dead_letters import binary, opened, structured
from tests.world import World, make_world, parked_reasons


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool, properties=2)


@pytest.fixture
def door(pool: asyncpg.Pool) -> Door:
    return Door(pool, IntakeSettings())


def fates(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"{o.fate.value} {o.reason}".strip() for o in outcomes]


async def test_observed_events_are_appended_and_projected(world: World, door: Door) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    home = world.properties[0]
    session, conversation = str(uuid4()), str(uuid4())
    records = [
        binary("session.started", {"session_id": session, "lead_id": str(lead)}, home),
        structured(
            "conversation.started",
            {"conversation_id": conversation, "session_id": session, "lead_id": str(lead),
             "channel": "widget"},
            home,
        ),
        binary(
            "conversation.message_received",
            {"conversation_id": conversation, "session_id": session, "lead_id": str(lead),
             "message_id": str(uuid4()), "content": "Is there a flat?"},
            home,
        ),
        binary("engagement.recorded", opened(lead), home),
        binary(
            "activity.recorded",
            {"activity_id": str(uuid4()), "lead_id": str(lead), "type": "call_made"}, home,
        ),
    ]  # fmt: skip
    assert fates(await door.take_in(records)) == ["accepted"] * 5
    await world.project()
    assert await parked_reasons(world.pool) == []
    assert await world.count("messages") == 1
    assert await world.count("lead_activities") == 1 + 1 + 1 + 1


async def test_what_is_observed_of_a_merged_lead_stays_its_own_and_counts_for_the_winner(
    world: World, door: Door
) -> None:
    loser, winner, home = uuid4(), uuid4(), world.properties[0]
    await world.append(
        world.new(world.captured(loser)),
        world.new(world.captured(winner, email="eve@example.com")),
        world.new(LeadMerged(loser_id=loser, winner_id=winner)),
    )
    said = binary("engagement.recorded", opened(loser), home)
    assert fates(await door.take_in([said])) == ["accepted"]
    noted = binary("lead.noted", {"lead_id": str(loser), "note": "rang"}, home)
    assert fates(await door.take_in([noted])) == ["accepted"]
    assert fates(await door.take_in([noted])) == ["duplicate"]
    await world.project()
    assert await parked_reasons(world.pool) == []
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


async def test_the_same_again_is_known_and_another_content_is_refused(
    world: World, door: Door
) -> None:
    lead, home = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)))
    said = opened(lead)
    first = binary("engagement.recorded", said, home, ce_id="1")
    again = binary("engagement.recorded", said, home, ce_id="1")
    other = binary("engagement.recorded", {**said, "event_type": "price_check"}, home, ce_id="1")
    elsewhere = binary("engagement.recorded", said, home, ce_id="1", source="/other")
    found = fates(await door.take_in([first, again, other, elsewhere]))
    assert found == ["accepted", "duplicate", "dead id_reused", "accepted"]
    assert fates(await door.take_in([first, other])) == ["duplicate", "dead id_reused"]


async def test_one_guilty_among_a_thousand_costs_nobody_else(world: World, door: Door) -> None:
    lead, home = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)))
    records = [binary("engagement.recorded", opened(lead), home) for _ in range(1_000)]
    records[500] = binary("engagement.recorded", opened(lead), home, time="2999-01-01T00:00:00Z")
    nul = opened(lead, metadata={"a": "\x00"})
    records[700] = binary("engagement.recorded", nul, home)
    found = fates(await door.take_in(records))
    assert found[500] == found[700] == "dead limit_exceeded"
    assert found.count("accepted") == 998


async def test_what_names_a_stranger_is_refused(world: World, door: Door) -> None:
    lead, home = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)))
    said = {
        "activity_id": str(uuid4()), "lead_id": str(lead), "type": "note",
        "created_by": str(uuid4()),
    }  # fmt: skip
    outcome = await door.take_in([binary("activity.recorded", said, home)])
    assert fates(outcome) == ["dead unknown_profile"]
    await world.pool.execute(
        "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
        said["created_by"], world.org_id,
    )  # fmt: skip
    assert fates(await door.take_in([binary("activity.recorded", said, home)])) == ["accepted"]


async def test_another_property_s_lead_is_refused(world: World, door: Door) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    outcome = await door.take_in([binary("engagement.recorded", opened(lead), world.properties[1])])
    assert fates(outcome) == ["dead wrong_property"]


async def test_another_organisation_s_ids_are_refused_and_park_nobody(
    world: World, door: Door
) -> None:
    """Whatever a producer names itself: in the tables an id is one row, whoever's it is."""
    other = await make_world(world.pool)
    homes, leads = (world.properties[0], other.properties[0]), (uuid4(), uuid4())
    ids = {kind: str(uuid4()) for kind in ("session", "engagement", "activity", "tour")}
    talks, message = (str(uuid4()), str(uuid4())), str(uuid4())

    def all_of(number: int) -> list[Received]:
        lead, home, own = str(leads[number]), homes[number], str(uuid4())
        noted = {"lead_id": lead, "type": "note", "activity_id": ids["activity"]}
        talk = {"conversation_id": talks[number]}
        said = {**talk, "message_id": message, "content": "Is there a flat?"}
        records: list[tuple[str, dict[str, Any]]] = [
            ("lead.captured", captured(leads[number])),
            ("session.started", {"session_id": ids["session"]}),
            ("conversation.started", {**talk, "lead_id": lead, "channel": "widget"}),
            ("conversation.message_received", {**said, "lead_id": lead}),
            ("conversation.started", {"conversation_id": talks[0], "channel": "widget"}),
            ("conversation.replied", {**talk, "message_id": own, "content": "Yes", "epoch": 0}),
            ("conversation.waiting", {**said, "reason": "asked"}),
            ("engagement.recorded", {**opened(leads[number]), "engagement_id": ids["engagement"]}),
            ("activity.recorded", noted),
            ("tour.scheduled", _toured(lead, ids["tour"])),
        ]  # fmt: skip
        return [binary(name, data, home) for name, data in records]

    first = fates(await door.take_in(all_of(0)))
    assert first == [*["accepted"] * 6, "dead id_reused", *["accepted"] * 3]
    assert fates(await door.take_in(all_of(1))) == [
        "accepted", "dead wrong_property", "accepted", "dead id_reused", "dead wrong_property",
        "accepted", "dead id_reused", "dead wrong_property", "dead wrong_property",
        "dead wrong_property",
    ]  # fmt: skip
    await world.project()
    assert await parked_reasons(world.pool) == []


def _toured(lead_id: str, tour_id: str) -> dict[str, object]:
    return {
        "tour_id": tour_id, "lead_id": lead_id, "tour_date": "2026-04-02", "tour_time": "14:00",
        "time_zone": "America/New_York", "fold": 0, "starts_at": "2026-04-02T18:00:00Z",
        "duration_minutes": 30, "tour_type": "in_person", "source": "host",
    }  # fmt: skip


async def test_a_tour_s_id_may_be_that_of_an_engagement(world: World, door: Door) -> None:
    """A producer may know which, and miss the tour: the engagement's row stays where it is."""
    lead, home = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)), event := world.new(world.engagement(lead)))
    tour = _toured(str(lead), str(event.id))
    missed = {"tour_id": str(event.id), "lead_id": str(lead)}
    records = [
        binary("tour.scheduled", tour, home),
        binary("tour.no_show_recorded", missed, home, time="2026-04-03T18:00:00Z"),
    ]
    assert fates(await door.take_in(records)) == ["accepted"] * 2
    await world.project()
    assert await parked_reasons(world.pool) == []


async def test_an_unknown_subject_is_waited_for_in_order(world: World, pool: asyncpg.Pool) -> None:
    door = Door(pool, IntakeSettings(first_retry_seconds=0.001, longest_retry_seconds=0.001))
    lead, home = uuid4(), world.properties[0]
    early = [binary("engagement.recorded", opened(lead), home, ce_id=str(n)) for n in range(5)]
    assert fates(await door.take_in(early)) == ["waiting"] * 5
    await door.retry()
    assert await world.count("crm.intake_waiting") == 5
    await world.append(world.new(world.captured(lead)))
    assert fates(
        await door.take_in([binary("engagement.recorded", opened(lead), home, ce_id="5")])
    ) == ["waiting"], "what needs the same stands behind"
    while await door.retry():
        pass
    assert await world.count("crm.intake_waiting") == 0
    rows = await pool.fetch(
        "SELECT payload ->> 'engagement_id' AS id FROM crm_events "
        "WHERE event_type = 'engagement.recorded' ORDER BY seq"
    )
    assert len(rows) == 6
    assert Fate.DUPLICATE in [o.fate for o in await door.take_in(early)]


async def test_what_never_appears_is_dead_in_the_end(world: World, pool: asyncpg.Pool) -> None:
    patience = IntakeSettings(wait_seconds=0.01, first_retry_seconds=0.001)
    door = Door(pool, patience)
    nowhere = binary("engagement.recorded", opened(uuid4()), uuid4())
    early = binary("engagement.recorded", opened(uuid4()), world.properties[0])
    assert fates(await door.take_in([nowhere, early])) == ["waiting", "waiting"]
    for _ in range(1_000):
        await door.retry()
        if not await world.count("crm.intake_waiting"):
            break
    rows = await pool.fetch("SELECT reason, property_id FROM crm.dead_letters")
    assert [row["reason"] for row in rows] == ["unknown_subject"] * 2
    assert world.properties[0] in [row["property_id"] for row in rows]


async def test_no_more_wait_than_there_is_room_for(world: World, pool: asyncpg.Pool) -> None:
    door = Door(pool, IntakeSettings(waiting_at_most=2))
    records = [binary("engagement.recorded", opened(uuid4()), world.properties[0]) for _ in "abc"]
    assert fates(await door.take_in(records)) == ["waiting", "waiting", "dead waiting_full"]


def captured(lead: UUID, **more: object) -> dict[str, object]:
    return {
        "lead_id": str(lead), "source": "Zillow", "first_name": "Grace", "email": f"{lead}@acme.io",
        **more,
    }  # fmt: skip


async def test_what_the_decider_agrees_with_is_taken_in_once(world: World, door: Door) -> None:
    lead, home = uuid4(), world.properties[0]
    said = binary("lead.captured", captured(lead), home, ce_id="l-1")
    follow = binary("engagement.recorded", opened(lead), home)
    moved = binary("lead.status_changed", {"lead_id": str(lead), "status": "contacted"}, home)
    assert fates(await door.take_in([said, follow, moved])) == ["accepted"] * 3
    assert fates(await door.take_in([said, moved])) == ["duplicate", "duplicate"]
    await world.project()
    assert await parked_reasons(world.pool) == []
    assert await world.pool.fetchval("SELECT status FROM leads") == "contacted"


async def test_what_the_decider_does_not_agree_with_is_dead(world: World, door: Door) -> None:
    lead, home = uuid4(), world.properties[0]
    leased = binary("lead.status_changed", {"lead_id": str(lead), "status": "leased"}, home)
    lost = binary("lead.status_changed", {"lead_id": str(lead), "status": "lost"}, home)
    records = [binary("lead.captured", captured(lead), home), leased, lost]
    assert fates(await door.take_in(records)) == ["accepted", "accepted", "dead leased"]


@pytest.mark.parametrize("status", ["open", "dropped"])
async def test_what_was_refused_stays_refused_when_it_is_read_again(
    world: World, door: Door, status: str
) -> None:
    """What was said since would let it in; sent or driven in again, it is judged anew."""
    first, other, home = uuid4(), uuid4(), world.properties[0]
    await door.take_in(
        [
            binary("lead.captured", captured(first, email="one@acme.io"), home),
            binary("lead.captured", captured(other, email="two@acme.io"), home),
        ]
    )
    taken = {"lead_id": str(first), "email": "two@acme.io"}
    batch = [
        binary("lead.updated", taken, home, ce_id="r1"),
        binary("lead.updated", {"lead_id": str(other), "email": "three@acme.io"}, home),
    ]
    assert fates(await door.take_in(batch)) == ["dead known_lead", "accepted"]
    await world.pool.execute("UPDATE crm.dead_letters SET status = $1", status)
    recorded_events = "SELECT id FROM crm_events ORDER BY seq"
    before = (
        await world.pool.fetch(recorded_events),
        await world.pool.fetch("TABLE crm.dead_letters"),
    )
    assert fates(await door.take_in(batch)) == ["dead known_lead", "duplicate"]
    assert before == (
        await world.pool.fetch(recorded_events),
        await world.pool.fetch("TABLE crm.dead_letters"),
    )
    assert fates(await door.take_in([batch[0]], redriven=True)) == ["accepted"]
    sent_anew = binary("lead.updated", taken, home, ce_id="r1")
    assert fates(await door.take_in([sent_anew])) == ["duplicate"]


async def test_a_decided_event_waits_for_its_subject_too(world: World, pool: asyncpg.Pool) -> None:
    door = Door(pool, IntakeSettings(first_retry_seconds=0.001, longest_retry_seconds=0.001))
    lead, home = uuid4(), world.properties[0]
    noted = binary("lead.noted", {"lead_id": str(lead), "note": "Wants a balcony"}, home)
    early = binary("engagement.recorded", opened(lead), home)
    assert fates(await door.take_in([noted, early])) == ["waiting", "waiting"]
    arrival = binary("lead.captured", captured(lead), home)
    assert fates(await door.take_in([arrival])) == ["accepted"]
    while await door.retry():
        pass
    rows = await pool.fetch(
        "SELECT event_type FROM crm_events WHERE lead_id = $1 ORDER BY seq", lead
    )
    assert [row["event_type"] for row in rows] == [
        "lead.captured", "lead.noted", "engagement.recorded",
    ]  # fmt: skip
