"""Ids in records: of another property, of another organisation, of an entity of another kind."""

from typing import Any
from uuid import uuid4

from services.application.raw_record import RawRecord
from services.intake.admission import Admission
from tests.services.intake.producer_records import (
    binary_record,
    captured,
    engagement_data,
    statuses,
)
from tests.world import World, make_world, read_parked_reasons


async def test_a_lead_of_another_property_is_rejected(world: World, admission: Admission) -> None:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    outcome = await admission.admit(
        [binary_record("engagement.recorded", engagement_data(lead), world.properties[1])]
    )
    assert statuses(outcome) == ["dead wrong_property"]


async def test_ids_of_another_organisation_are_replaced_and_park_no_event(
    world: World, admission: Admission
) -> None:
    """A table has one row per id, so an id that a producer chooses may be used by another."""
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
    assert statuses(await admission.admit(all_of(1))) == first
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    for table, rows in (("widget_sessions", 2), ("conversations", 3), ("tours", 2)):
        assert await world.count(table) == rows, table


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
