"""`crm privacy`: each change as an event of the operator, and previews that change nothing."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.keys.ring import current_ring
from tests.services.cli.test_credentials import crm
from tests.world import World, make_world


@pytest.fixture
async def world(
    database_url: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> World:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    return await make_world(pool)


async def make_lead(world: World) -> UUID:
    lead_id = uuid4()
    await world.append(world.new(world.captured(lead_id, email="ada@example.com")))
    return lead_id


async def test_a_preview_lists_the_events_and_appends_none(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    lead_id = str(await make_lead(world))
    command = ("privacy", "restrict", lead_id, "--reason", "a dispute", "--json")
    for arguments, appended in ((("--dry-run",), 0), ((), 1)):
        code, out = await crm(capsys, *command, *arguments)
        assert code == 0
        [event] = json.loads(out)
        assert (event["event"], event["entity_id"]) == ("lead.restricted", lead_id)
        assert await world.count("crm_events WHERE event_type = 'lead.restricted'") == appended
    assert json.loads((await crm(capsys, *command))[1]) == []
    code, out = await crm(
        capsys, "privacy", "unrestrict", lead_id, "--reason", "it is settled", "--json"
    )
    assert (code, json.loads(out)[0]["event"]) == (0, "lead.restriction_lifted")
    async with world.pool.acquire() as conn:
        actor = await conn.fetchval("SELECT actor FROM crm_events ORDER BY seq DESC LIMIT 1")
    assert actor.startswith("operator:")


async def test_an_unknown_lead_and_a_missing_reason_fail(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("privacy", "restrict", str(uuid4()))
    assert (await crm(capsys, *command, "--reason", "a dispute"))[0] == 1
    assert (await crm(capsys, *command))[0] == 2


async def test_a_wrong_detail_is_corrected_with_its_normal_form(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    lead_id = str(await make_lead(world))
    command = ("privacy", "rectify", lead_id, "--reason", "a typing error", "--json")
    sets = ("--set", "phone=(212) 555-0100", "--set", "first_name=")
    for arguments, appended in (((*sets, "--dry-run"), 0), (sets, 1)):
        code, out = await crm(capsys, *command, *arguments)
        assert code == 0
        assert [row["event"] for row in json.loads(out)] == ["lead.updated", "lead.rectified"]
        assert await world.count("crm_events WHERE event_type = 'lead.rectified'") == appended
    await world.project()
    assert await world.count("leads WHERE phone = '+12125550100' AND first_name IS NULL") == 1
    for wrong in ("status=leased", "email"):
        assert (await crm(capsys, *command, "--set", wrong))[0] == 1


@pytest.mark.parametrize(("form", "word"), [("json", '"tables"'), ("html", "End of the data")])
async def test_an_export_is_a_file_for_its_owner_alone(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str, word: str
) -> None:
    lead_id, out = str(await make_lead(world)), tmp_path / "person"
    await world.project()
    command = ("privacy", "export", lead_id, "--out", str(out), "--format", form)
    assert (await crm(capsys, *command, "--reason", "asked by e-mail"))[0] == 0
    text = out.read_text(encoding="utf-8")
    assert "ada@example.com" in text
    assert word in text
    assert out.stat().st_mode & 0o077 == 0
    assert await world.count("crm_events WHERE event_type = 'lead.exported'") == 1
    assert (await crm(capsys, *command))[0] == 1
    assert out.read_text(encoding="utf-8") == text
    unknown = ("privacy", "export", str(uuid4()), "--out", str(tmp_path / "nobody"))
    assert (await crm(capsys, *unknown))[0] == 1
    assert not (tmp_path / "nobody").exists()


async def test_a_person_is_only_erased_with_yes_and_then_has_a_certificate(
    world: World, capsys: pytest.CaptureFixture[str], owner_pool: asyncpg.Pool, tmp_path: Path
) -> None:
    lead_id = str(await make_lead(world))
    await world.project()
    command = ("privacy", "erase", lead_id, "--reason", "request 7", "--json")
    code, out = await crm(capsys, *command)
    preview = json.loads(out)
    assert (code, [event["event"] for event in preview["events"]]) == (0, ["lead.erased"])
    assert {"table": "public.leads", "rows": 1, "with_personal_values": 1} in preview["rows"]
    assert await world.count("crm_events WHERE event_type = 'lead.erased'") == 0
    code, out = await crm(capsys, *command, "--yes", "--wait", "0")
    assert (code, json.loads(out)[0]["state"]) == (1, "appended")
    await world.project()
    code, out = await crm(capsys, *command, "--yes", "--wait", "0")
    [erasure] = json.loads(out)
    assert (code, erasure["state"], erasure["keys_left"]) == (0, "completed", 0)
    file = tmp_path / "certificate.json"
    assert (await crm(capsys, "privacy", "certificate", lead_id, "--out", str(file)))[0] == 0
    check = ("privacy", "certificate", "--check", str(file))
    assert (await crm(capsys, *check))[0] == 0
    async with owner_pool.acquire() as conn:
        await conn.execute("SET crm.engine = 'on'; UPDATE leads SET first_name = 'Ada'")
    code, out = await crm(capsys, *check)
    assert code == 1
    assert "public.leads" in out
    code, out = await crm(capsys, "privacy", "list", "--json")
    assert (code, json.loads(out)) == (0, [erasure])
    file.write_text(file.read_text().replace(lead_id, str(uuid4())))
    assert (await crm(capsys, *check))[0] == 1


async def test_lost_erasures_are_applied_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    lead_id = await make_lead(world)
    await current_ring().destroy(world.pool, [lead_id])
    for expected in (str(lead_id), ""):
        code, out = await crm(capsys, "privacy", "reapply")
        assert (code, out.strip()) == (0, expected)


async def test_an_erasure_waits_for_a_host_column_that_refuses_it(
    world: World, capsys: pytest.CaptureFixture[str], owner_pool: asyncpg.Pool
) -> None:
    """It would be parked, and the person would stay in all tables."""
    lead_id = str(await make_lead(world))
    await world.project()
    await owner_pool.execute("ALTER TABLE leads ALTER COLUMN email SET NOT NULL")
    command = ("privacy", "erase", lead_id, "--reason", "request 7", "--yes", "--wait", "0")
    assert (await crm(capsys, *command))[0] == 1
    assert await world.count("crm_events WHERE event_type = 'lead.erased'") == 0
    await owner_pool.execute("ALTER TABLE leads ALTER COLUMN email DROP NOT NULL")
    await crm(capsys, *command)
    await world.project()
    assert await world.count("leads WHERE email IS NULL") == 1


async def test_lost_erasures_wait_for_a_host_column_that_refuses_them(
    world: World, capsys: pytest.CaptureFixture[str], owner_pool: asyncpg.Pool
) -> None:
    lead_id = await make_lead(world)
    await current_ring().destroy(world.pool, [lead_id])
    await owner_pool.execute("ALTER TABLE leads ALTER COLUMN email SET NOT NULL")
    assert (await crm(capsys, "privacy", "reapply"))[0] == 1
    assert await world.count("crm_events WHERE event_type = 'lead.erased'") == 0
    await owner_pool.execute("ALTER TABLE leads ALTER COLUMN email DROP NOT NULL")
    assert (await crm(capsys, "privacy", "reapply"))[0] == 0
