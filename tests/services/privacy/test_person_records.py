"""The export of what is in no table: sent messages, and records of the intake."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from events.deliveries import (
    DeliveryChannel,
    DeliveryHandedOver,
    DeliveryPlanned,
    DeliveryPurpose,
)
from events.privacy import ExportFormat
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.privacy.person_page import label_of
from services.privacy.person_records import RECORDS
from services.runtime.clock import Clock
from tests.services.application.test_sealed_tables import reject
from tests.services.intake.producer_records import binary_record
from tests.services.privacy.test_person_export import read_document, read_json
from tests.world import World, make_world

EMAIL = "quokka.secret@example.com"


async def send_message(world: World, lead_id: UUID, body: str) -> None:
    """Append the events of a message that was handed over."""
    common: dict[str, Any] = {
        "delivery_id": uuid4(), "lead_id": lead_id, "channel": DeliveryChannel.EMAIL,
        "purpose": next(iter(DeliveryPurpose)),
    }  # fmt: skip
    planned = DeliveryPlanned(**common, due_at=world.now, body="not rendered yet")
    handed_over = DeliveryHandedOver(
        **common, provider="smtp", attempt=1, simulated=False, recipient=EMAIL,
        subject="Your tour", body=body,
    )  # fmt: skip
    await world.append(world.new(planned), world.new(handed_over))


async def keep_pending(world: World, text: str) -> UUID:
    """Let the intake keep a record whose lead it does not know."""
    data = {"activity_id": str(uuid4()), "lead_id": str(uuid4()), "type": "note"}
    record = binary_record("activity.recorded", {**data, "description": text}, world.properties[0])
    [outcome] = await Admission(world.pool, IntakeSettings(), Clock()).admit([record])
    assert outcome.status.value == "waiting"
    return record.id


async def test_sent_messages_and_records_of_the_person_are_exported_and_no_others(
    pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    world, other_world = await make_world(pool), await make_world(pool)
    lead_id, other = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead_id, email=EMAIL)))
    await world.append(world.new(world.captured(other, email="wombat@example.com")))
    await send_message(world, lead_id, "See you on Saturday, Quokka")
    await send_message(world, other, "See you on Sunday, Wombat")
    refused = await reject(world, note=f"write to {EMAIL}")
    await reject(world, note="wombat@example.com")
    await reject(other_world, note=f"{EMAIL} of another organisation")
    pending = await keep_pending(world, f"{EMAIL} called")
    await world.project()

    records = (await read_json(engine, world, lead_id))["records"]
    assert records.keys() == RECORDS.keys()
    [message] = records["sent_messages"]
    assert (message["body"], message["recipient"]) == ("See you on Saturday, Quokka", EMAIL)
    [dead] = records["dead_letters"]
    assert (dead["id"], dead["status"]) == (str(refused), "open")
    assert f"write to {EMAIL}" in dead["value"]
    [waiting] = records["pending_records"]
    assert (waiting["id"], f"{EMAIL} called" in waiting["value"]) == (str(pending), True)

    page = await read_document(engine, world, lead_id, ExportFormat.HTML)
    for text in (*map(label_of, RECORDS), message["body"], f"write to {EMAIL}", f"{EMAIL} called"):
        assert text in page
    assert "ombat" not in page
    assert "another organisation" not in page
