"""Outcomes of intake records: what a producer learns about each of its records."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from services.application.intake_outcomes import OutcomeFilter, find_outcomes
from services.application.raw_record import RawRecord
from services.intake import dead_letter_topic, outcome_topic
from services.intake.admission import Admission
from services.intake.pending_retry import retry_pending
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.services.intake.processes import read_all
from tests.services.intake.producer_records import binary_record, engagement_data, raw_record
from tests.world import World, make_world, read_parked_reasons

ADA = {"first_name": "Ada", "email": "ada@example.com", "phone": "+12125550100"}


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
def admission(pool: asyncpg.Pool) -> Admission:
    fast = IntakeSettings(first_retry_seconds=0.001, longest_retry_seconds=0.001)
    return Admission(pool, fast, Clock())


async def outcome_of(world: World, ce_id: str) -> dict[str, Any]:
    """Return the only outcome of the records with this id."""
    (outcome,) = await find_outcomes(world.pool, OutcomeFilter(ce_id=ce_id), 10)
    return outcome


def captured(world: World, ce_id: str, lead: UUID | None = None, **details: Any) -> RawRecord:
    data = {"lead_id": str(lead or uuid4()), "source": "Website", **details}
    return binary_record("lead.captured", data, world.properties[0], ce_id=ce_id, source="/site")


async def test_each_record_has_an_outcome_of_ids_and_codes(
    world: World, admission: Admission
) -> None:
    lead, waiting_for = uuid4(), uuid4()
    property_id = world.properties[0]
    records = [
        captured(world, "new", lead, **ADA),
        binary_record("engagement.recorded", engagement_data(lead), property_id, ce_id="observed"),
        binary_record("engagement.recorded", engagement_data(waiting_for), property_id, ce_id="w"),
        binary_record("lead.noted", {"lead_id": str(lead)}, property_id, ce_id="invalid"),
        raw_record(b"not JSON", key=str(property_id).encode()),
    ]
    await admission.admit(records)
    expected = {
        "new": ("accepted", None, lead),
        "observed": ("accepted", None, lead),
        "w": ("waiting", None, None),
        "invalid": ("refused", "invalid", None),
        None: ("refused", "malformed", None),
    }
    found = await find_outcomes(world.pool, OutcomeFilter(org_id=world.org_id), 10)
    assert {o["id"]: (o["status"], o["reason"], o["lead_id"]) for o in found} == expected
    assert {o["property_id"] for o in found} == {property_id}
    first = await outcome_of(world, "new")
    assert (first["source"], first["type"], first["duplicate"]) == ("/site", "lead.captured", False)
    assert (first["topic"], first["offset"]) == (records[0].topic, records[0].offset)
    stored = await world.pool.fetch("SELECT to_jsonb(o) AS row FROM crm.intake_outcomes o")
    text = orjson.dumps([row["row"] for row in stored]).decode()
    for personal in ADA.values():
        assert personal not in text
    await world.append(world.new(world.captured(waiting_for, email="eve@example.com")))
    assert await retry_pending(admission) == 1
    assert (await outcome_of(world, "w"))["status"] == "accepted"


async def test_a_record_that_is_read_again_keeps_its_outcome_and_another_one_is_a_duplicate(
    world: World, admission: Admission
) -> None:
    lead = uuid4()
    record, same_event = captured(world, "1", lead, **ADA), captured(world, "1", lead, **ADA)
    for _ in range(2):
        await admission.admit([record, record])
    before = await outcome_of(world, "1")
    assert before["duplicate"] is False
    await admission.admit([same_event])
    found = await find_outcomes(world.pool, OutcomeFilter(source="/site"), 10)
    assert sorted(o["duplicate"] for o in found) == [False, True]
    assert {o["event_id"] for o in found} == {before["event_id"]}


async def test_a_new_lead_with_a_known_e_mail_completes_the_known_lead(
    world: World, admission: Admission
) -> None:
    known = uuid4()
    await world.append(world.new(world.captured(known, email="ada@example.com")))
    details: dict[str, Any] = {
        "email": "ADA@example.com", "first_name": "Adele", "last_name": "L", "bedrooms": "2"
    }  # fmt: skip
    sent = uuid4()
    record = captured(world, "again", sent, **details)
    for _ in range(2):
        await admission.admit([record])
    await admission.admit([captured(world, "again", sent, **details)])
    found = await find_outcomes(world.pool, OutcomeFilter(ce_id="again"), 10)
    assert {(o["status"], o["reason"], o["lead_id"]) for o in found} == {
        ("accepted", "known_lead", known)
    }
    assert sorted(o["duplicate"] for o in found) == [False, True]
    assert await world.count("crm.dead_letters") == 0
    await world.project()
    assert await read_parked_reasons(world.pool) == []
    (lead,) = await world.pool.fetch("SELECT * FROM leads")
    assert (lead["id"], lead["first_name"], lead["last_name"], lead["bedrooms"]) == (
        known, "Ada", "L", "2",
    )  # fmt: skip
    assert lead["source"] == "Google", "the source is that of the first contact"
    (note,) = await world.pool.fetch("SELECT * FROM lead_activities WHERE type = 'note'")
    assert "First name: Adele" in note["description"]


async def test_a_record_about_a_known_lead_is_decided_once(
    world: World, admission: Admission
) -> None:
    """Later the address may belong to nobody, or an agent may have cleared what was filled."""
    known, sent = uuid4(), uuid4()
    await world.append(world.new(world.captured(known, email="ada@example.com")))
    details: dict[str, Any] = {"email": "ada@example.com", "last_name": "L"}
    await admission.admit([captured(world, "1", sent, **details)])
    change = {"lead_id": str(known), "email": "eve@example.com", "last_name": None}
    await admission.admit([binary_record("lead.updated", change, world.properties[0])])
    before = await world.count("crm_events")
    await admission.admit([captured(world, "1", sent, **details)])
    assert await world.count("crm_events") == before
    await admission.admit([captured(world, "1", sent, **{**details, "last_name": "M"})])
    found = await find_outcomes(world.pool, OutcomeFilter(ce_id="1"), 10)
    assert [(o["status"], o["reason"]) for o in found] == [
        ("refused", "id_reused"), ("accepted", "known_lead"), ("accepted", "known_lead"),
    ]  # fmt: skip


@pytest.mark.stack
async def test_outcomes_are_copied_to_their_topic_with_the_source_as_key(
    world: World, admission: Admission, kafka_settings: Settings
) -> None:
    topic = Topics.of(kafka_settings.topic_prefix).outcomes
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=8, replicas=1)
    lead = uuid4()
    early = binary_record(
        "engagement.recorded", engagement_data(lead), world.properties[0], ce_id="e",
        source="/site",
    )  # fmt: skip
    producer = dead_letter_topic.create_producer(servers)
    await producer.start()
    try:
        await admission.admit([early])
        assert await outcome_topic.copy_new(world.pool, producer, topic) == 1
        assert await outcome_topic.copy_new(world.pool, producer, topic) == 0
        await admission.admit([captured(world, "new", lead, **ADA)])
        await retry_pending(admission)
        assert await outcome_topic.copy_new(world.pool, producer, topic) == 2
    finally:
        await producer.stop()
    copies = await read_all(kafka_settings, topic, 3)
    assert {copy.key for copy in copies} == {b"/site"}
    values = [orjson.loads(copy.value) for copy in copies]
    assert [value["status"] for value in values if value["id"] == "e"] == ["waiting", "accepted"]
    for value in values:
        assert value.keys() == (await outcome_of(world, value["id"])).keys()
