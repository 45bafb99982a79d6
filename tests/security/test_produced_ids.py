"""A producer cannot take the ids of another organisation or property."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.api.site import (
    Site,
)
from tests.services.intake.producer_records import binary_record
from tests.world import World, make_world, read_parked_reasons

PRODUCED = ("session", "lead", "conversation", "message", "engagement", "activity", "tour")


def produced_records(property_id: UUID, ids: dict[str, str]) -> list[Any]:
    """Return records that begin one entity of each kind that producers begin."""
    lead = {"lead_id": ids["lead"]}
    chat = {"conversation_id": ids["conversation"], "session_id": ids["session"]}
    tour = {
        "tour_id": ids["tour"], "tour_date": "2026-04-02", "tour_time": "14:00",
        "time_zone": "America/New_York", "fold": 0, "starts_at": "2026-04-02T18:00:00Z",
        "duration_minutes": 30, "tour_type": "in_person", "source": "host",
    }  # fmt: skip
    records: list[tuple[str, dict[str, Any]]] = [
        ("lead.captured", {**lead, "email": "ada@example.com", "first_name": "Ada"}),
        ("session.started", {"session_id": ids["session"]}),
        ("conversation.started", {**chat, "channel": "widget"}),
        ("session.identified", {
            **lead, "session_id": ids["session"], "conversation_ids": [ids["conversation"]],
        }),
        ("conversation.message_received", {
            **chat, "message_id": ids["message"], "content": "Is there a flat?",
        }),
        ("engagement.recorded", {
            **lead, "engagement_id": ids["engagement"], "event_type": "email_opened",
        }),
        ("activity.recorded", {**lead, "type": "note", "activity_id": ids["activity"]}),
        ("tour.scheduled", {**tour, **lead}),
        ("consent.given", {
            **lead, "channel": "sms", "place": "widget", "at": "2026-03-01T12:00:00Z",
        }),
    ]  # fmt: skip
    return [binary_record(name, data, property_id) for name, data in records]


@pytest.mark.parametrize("together", [False, True])
async def test_a_producer_cannot_take_ids_that_another_organisation_will_use(
    pool: asyncpg.Pool, together: bool
) -> None:
    """Both organisations send the same ids, in two batches or in one."""
    first, second = await make_world(pool), await make_world(pool)
    ids = {kind: str(uuid4()) for kind in PRODUCED}
    admission = Admission(pool, IntakeSettings(), Clock())
    batches = [produced_records(world.properties[0], ids) for world in (first, second)]
    if together:
        batches = [[record for pair in zip(*batches, strict=True) for record in pair]]
    for batch in batches:
        outcomes = await admission.admit(batch)
        assert [(outcome.status.value, outcome.detail) for outcome in outcomes] == [
            ("accepted", "")
        ] * len(batch)
    for batch in batches:
        repeated = await admission.admit(batch)
        assert {outcome.status.value for outcome in repeated} == {"duplicate"}
    await first.project()
    assert await read_parked_reasons(pool) == []
    for world in (first, second):
        assert await count_rows(world) == {
            "leads": 1, "widget_sessions": 1, "conversations": 1, "messages": 1, "tours": 1,
        }  # fmt: skip


async def count_rows(world: World) -> dict[str, int]:
    tables = ("leads", "widget_sessions", "conversations", "messages", "tours")
    return {
        table: await world.count(f"{table} WHERE property_id = '{world.properties[0]}'")
        for table in tables
    }


async def test_an_id_of_another_property_of_the_organisation_is_rejected(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool, properties=2)
    ids = {kind: str(uuid4()) for kind in PRODUCED}
    admission = Admission(pool, IntakeSettings(), Clock())
    await admission.admit(produced_records(world.properties[0], ids))
    outcomes = await admission.admit(produced_records(world.properties[1], ids))
    assert {outcome.status.value for outcome in outcomes} == {"dead"}
    assert {outcome.reason for outcome in outcomes} <= {"wrong_property", "id_reused"}


async def test_a_record_about_a_foreign_id_waits_like_one_about_an_unknown_id(
    pool: asyncpg.Pool,
) -> None:
    owner, other = await make_world(pool), await make_world(pool)
    lead, admission = uuid4(), Admission(pool, IntakeSettings(), Clock())
    await owner.append(owner.new(owner.captured(lead)))
    for lead_id in (lead, uuid4()):
        for name, data in (
            ("lead.noted", {"note": "calls"}),
            ("activity.recorded", {"type": "note", "activity_id": str(uuid4())}),
        ):
            record = binary_record(name, {"lead_id": str(lead_id), **data}, other.properties[0])
            [outcome] = await admission.admit([record])
            assert (outcome.status.value, outcome.reason) == ("waiting", ""), name


async def test_an_id_of_a_row_that_the_host_has_not_adopted_yet_is_not_taken(
    site: Site, owner_pool: asyncpg.Pool
) -> None:
    conversation = uuid4()
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL crm.engine = 'on'")
        other = await make_world(site.world.pool)
        await conn.execute("UPDATE crm.adoption SET state = 'open'")
        await conn.execute(
            "INSERT INTO conversations (id, property_id) VALUES ($1, $2)",
            conversation,
            other.properties[0],
        )
    await site.send_chat("mine", conversationId=str(conversation))
    assert not await site.world.count(f"crm_events WHERE entity_id = '{conversation}'")
