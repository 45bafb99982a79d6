"""Payloads that somebody changed in the log: each is named, and everything else is looked at."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from services.privacy.certificate import check_certificate, issue_certificate
from services.privacy.erasure_completion import complete_erasures
from services.privacy.erasures import ErasureState
from tests.services.application.test_sealed_tables import reject
from tests.services.cli.test_credentials import crm
from tests.services.privacy.test_certificate import certify
from tests.services.privacy.test_erasure_completion import (
    EMAIL,
    forget,
    keep_result,
    make_person,
    read_state,
)
from tests.services.privacy.test_person_export import read_json
from tests.services.privacy.test_person_records import send_message
from tests.world import make_world

CHANGES = {
    "no base64": """payload || '{"sealed": {"fields": ["content"], "value": "?", "key": null}}'""",
    "no id of a key": """jsonb_set(payload, '{sealed,key}', '"no id"')""",
    "no fields": "payload #- '{sealed,fields}'",
}
"""A change → the expression of the changed payload."""


async def change_payload(owner_pool: asyncpg.Pool, event_type: str, change: str) -> UUID:
    """Change the stored payload of the only event of this type; return its id."""
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("ALTER TABLE crm_events DISABLE TRIGGER ALL")
        [row] = await conn.fetch(
            f"UPDATE crm_events SET payload = {CHANGES[change]} WHERE event_type = $1 RETURNING id",
            event_type,
        )
        await conn.execute("ALTER TABLE crm_events ENABLE TRIGGER ALL")
    event_id: UUID = row["id"]
    return event_id


@pytest.mark.parametrize("change", CHANGES)
async def test_a_certificate_names_a_changed_event_and_counts_all_others(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, change: str
) -> None:
    harness, lead_id = await make_person(pool)
    before = await certify(harness, lead_id)
    event_id = await change_payload(owner_pool, "conversation.message_received", change)
    async with pool.acquire() as conn, conn.transaction():
        after = await issue_certificate(conn, [lead_id], harness.scope.at)
        places, _ = await check_certificate(conn, before)
    [(old, new)] = [
        (old, new) for old, new in zip(before["looked_at"], after["looked_at"], strict=True)
        if old != new
    ]  # fmt: skip
    assert new == {**old, "changed": [str(event_id)]}
    assert (before["is_unreadable"], after["is_unreadable"]) == (True, False)
    assert [(place.place, place.changed) for place in places] == [
        ("public.crm_events", (event_id,))
    ]


@pytest.mark.parametrize("change", CHANGES)
async def test_an_erasure_is_completed_and_logs_a_changed_event(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, change: str
) -> None:
    harness, lead_id = await make_person(pool)
    await keep_result(pool, harness.scope.property_id)
    await forget(harness, lead_id)
    await harness.world.project()
    event_id = await change_payload(owner_pool, "conversation.message_received", change)
    with capture_logs() as lines:
        assert await complete_erasures(pool, harness.scope.at) == []
    assert {line["event_id"] for line in lines} == {str(event_id)}
    assert await read_state(pool) is ErasureState.COMPLETED
    completed = (await harness.events_of("lead", lead_id))[-1]
    assert completed.erased_rows == {"commands": 1}, "the texts of the other events are known"


@pytest.mark.parametrize("content", [b"?", b"\x01short", None])
async def test_an_erasure_is_completed_beside_a_changed_dead_letter(
    pool: asyncpg.Pool, content: bytes | None
) -> None:
    harness, lead_id = await make_person(pool)
    changed = await reject(harness.world, note=EMAIL)
    await reject(harness.world, note=EMAIL)
    await pool.execute(
        "UPDATE crm.dead_letters SET content = coalesce($2, content || 'x'::bytea) WHERE id = $1",
        changed, content,
    )  # fmt: skip
    await forget(harness, lead_id)
    await harness.world.project()
    with capture_logs() as lines:
        assert await complete_erasures(pool, harness.scope.at) == []
    assert [line["row_id"] for line in lines] == [str(changed)]
    completed = (await harness.events_of("lead", lead_id))[-1]
    assert completed.erased_rows == {"dead_letters": 1}


async def test_an_export_says_which_message_cannot_be_read(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, engine: AsyncEngine
) -> None:
    world, lead_id = await make_world(pool), uuid4()
    await world.append(world.new(world.captured(lead_id, email=EMAIL)))
    await send_message(world, lead_id, "See you on Saturday")
    await world.project()
    event_id = await change_payload(owner_pool, "delivery.handed_over", "no base64")
    [message] = (await read_json(engine, world, lead_id))["records"]["sent_messages"]
    assert message["event_id"] == str(event_id)
    assert "sealed" in message["unreadable"]


@pytest.mark.parametrize("event_type", ["conversation.message_received", "lead.captured"])
async def test_the_command_names_a_changed_event_in_one_line(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, database_url: str, event_type: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_TRACEBACK", "1")
    harness, lead_id = await make_person(pool)
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(await certify(harness, lead_id)))
    event_id = await change_payload(owner_pool, event_type, "no base64")
    code, out = await crm(capsys, "privacy", "certificate", "--check", str(file))
    assert code == 1, out
    assert f"the payload of event {event_id} was changed" in out
    code, _ = await crm(capsys, "privacy", "certificate", str(lead_id))
    assert code == 1
