"""`crm dead` with a real database."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from services.cli.main import run
from services.intake import redrive
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings, ProducerKey
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.services.intake.producer_records import binary_record, raw_record
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
def crm(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Return a function that runs `crm …` in a thread: exit code and stdout."""
    use_database(monkeypatch, settings)
    monkeypatch.setenv("COLUMNS", "200")

    async def call(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, arguments)
        return code, capsys.readouterr().out

    return call


async def make_dead_letters(world: World) -> UUID:
    """Make one dead letter that a new profile corrects, and a malformed one; return the id."""
    lead, profile_id = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)))
    data = {
        "activity_id": str(uuid4()), "lead_id": str(lead), "type": "note",
        "created_by": str(profile_id),
    }  # fmt: skip
    records = [
        binary_record("activity.recorded", data, world.properties[0]),
        raw_record(b"\xff\x00", (("h", None), ("b", b"\xff"))),
    ]
    await Admission(world.pool, IntakeSettings(), Clock()).admit(records)
    return profile_id


async def test_dead_letters_are_listed_and_shown(world: World, crm: Any) -> None:
    await make_dead_letters(world)
    code, out = await crm("dead", "list", "--json")
    rows = json.loads(out)
    assert (code, [row["reason"] for row in rows]) == (0, ["unknown_profile", "malformed"])
    code, out = await crm("dead", "list", "--reason", "malformed", "--json")
    assert len(json.loads(out)) == 1
    code, out = await crm("dead", "show", rows[1]["id"])
    assert (code, json.loads(out)["headers"]["h"]) == (0, None)
    assert (await crm("dead", "show", str(uuid4())))[0] == 1


async def test_a_dead_letter_is_found_by_the_beginning_of_its_id(world: World, crm: Any) -> None:
    await make_dead_letters(world)
    [first, second] = [str(row["id"]) for row in await world.pool.fetch(
        "SELECT id FROM crm.dead_letters ORDER BY first_at, kafka_offset"
    )]  # fmt: skip
    digits = next(n for n in range(1, 36) if first[:n] != second[:n])
    for beginning in (first[:digits], f"{first[:23]}…", first[:20].upper()):
        code, out = await crm("dead", "show", beginning)
        shown = json.loads(out)
        assert (code, shown["id"]) == (0, first)
        assert shown["value"]["type"] == "note", "the value is JSON, not a text of JSON"
    assert (await crm("dead", "drop", second[:digits]))[0] == 0
    assert await world.count("crm.dead_letters WHERE status = 'open'") == 1
    for wrong in (second[:digits], "xyz", "", "*"):
        assert (await crm("dead", "redrive", wrong))[0] == 1


async def test_a_beginning_of_several_ids_is_refused(world: World, crm: Any) -> None:
    records = [raw_record(b"%d" % n) for n in range(17)]
    await Admission(world.pool, IntakeSettings(), Clock()).admit(records)
    ids = [str(row["id"]) for row in await world.pool.fetch("SELECT id FROM crm.dead_letters")]
    [(digit, times), *_] = Counter(key[0] for key in ids).most_common(1)
    assert times > 1, "two of 17 ids begin with the same of 16 digits"
    assert (await crm("dead", "drop", digit))[0] == 1
    assert await world.count("crm.dead_letters WHERE status = 'open'") == 17


async def test_a_dead_letter_is_redriven_after_a_fix(world: World, crm: Any) -> None:
    profile_id = await make_dead_letters(world)
    before = await world.count("crm_events")
    code, out = await crm("dead", "redrive", "--all", "--json")
    assert (code, json.loads(out)["dead"]) == (1, 2)
    await world.pool.execute(
        "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')",
        profile_id,
        world.org_id,
    )
    await world.project()
    before = await world.count("crm_events")
    code, out = await crm("dead", "redrive", "--reason", "unknown_profile", "--dry-run", "--json")
    shown = json.loads(out)
    assert (shown["dry_run"], shown["letters"], shown["accepted"]) == (True, 1, 1)
    assert shown["preview"]["tables"]["lead_activities"] == 1
    assert await world.count("crm_events") == before, "a preview keeps nothing"
    code, out = await crm("dead", "redrive", "--reason", "unknown_profile", "--json")
    assert (code, json.loads(out)["accepted"]) == (0, 1)
    await world.append_staged()
    assert await world.count("crm_events WHERE event_type = 'activity.recorded'") == 1
    assert await world.count("crm_events") == before + 1, "the activity"
    assert await world.count("crm.dead_letters WHERE status = 'open' AND attempts = 2") == 1


async def test_a_redrive_works_with_a_pool_size_of_one(
    world: World, crm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decide a record, which needs a second connection beside that of the admission."""
    monkeypatch.setenv("CRM_POOL_SIZE", "1")
    key = ProducerKey(
        org=world.org_id, secret=SecretStr("a secret of thirty-two characters or more")
    )
    data = {"lead_id": str(uuid4()), "source": "Google", "email": "ada@example.com"}
    unsigned = binary_record("lead.captured", data, world.properties[0])
    await Admission(world.pool, IntakeSettings(keys={"ours": key}), Clock()).admit([unsigned])
    async with asyncio.timeout(20):
        code, out = await crm("dead", "redrive", "--all", "--json")
    assert (code, json.loads(out)["accepted"]) == (0, 1)


async def test_without_a_selection_nothing_is_redriven_or_dropped(world: World, crm: Any) -> None:
    await make_dead_letters(world)
    assert (await crm("dead", "redrive"))[0] == 1
    assert (await crm("dead", "drop"))[0] == 1
    assert await world.count("crm.dead_letters WHERE status = 'open'") == 2


async def test_dropped_dead_letters_are_not_listed(world: World, crm: Any) -> None:
    await make_dead_letters(world)
    code, out = await crm("dead", "drop", "--reason", "malformed", "--json")
    assert (code, json.loads(out)) == (0, {"dropped": 1})
    code, out = await crm("dead", "list", "--json")
    assert [row["reason"] for row in json.loads(out)] == ["unknown_profile"]


async def test_all_dead_letters_are_processed_in_several_pages(
    world: World, crm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive, "DEAD_LETTERS_PER_PAGE", 2)
    await Admission(world.pool, IntakeSettings(), Clock()).admit(
        [raw_record(b"%d" % n) for n in range(5)]
    )
    for command in ("redrive", "drop"):
        code, out = await crm("dead", command, "--all", "--dry-run", "--json")
        assert (code, json.loads(out)["letters"]) == (0, 5)
    code, out = await crm("dead", "redrive", "--all", "--json")
    assert (code, json.loads(out)["dead"]) == (1, 5)
    assert await world.count("crm.dead_letters WHERE attempts = 2") == 5
    code, out = await crm("dead", "drop", "--all", "--json")
    assert (code, json.loads(out)) == (0, {"dropped": 5})
    assert await world.count("crm.dead_letters WHERE status = 'dropped'") == 5


async def test_a_limited_list_shows_the_total(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    use_database(monkeypatch, settings)
    await make_dead_letters(world)
    for limit, remark in (("1", "1 of 2"), ("2", "")):
        assert await asyncio.to_thread(run, ("dead", "list", "--json", "--limit", limit)) == 0
        output = capsys.readouterr()
        assert len(json.loads(output.out)) == int(limit)
        assert output.err.startswith(remark) if remark else not output.err


async def test_an_edited_record_replaces_the_refused_one(
    world: World, crm: Any, tmp_path: Path
) -> None:
    lead, property_id = uuid4(), world.properties[0]
    await world.append(world.new(world.captured(lead)))
    record = binary_record(
        "lead.status_changed", {"lead_id": str(lead), "status": "gone"}, property_id
    )
    await Admission(world.pool, IntakeSettings(), Clock()).admit([record])
    [refused] = await world.pool.fetch("SELECT * FROM crm.dead_letters")
    file = tmp_path / "corrected.json"
    edit = ("dead", "edit", str(refused["id"]), str(file), "--reason", "a wrong word", "--json")
    file.write_text('{"status": "gone"')
    assert (await crm(*edit))[0] == 1
    assert await world.count("crm.dead_letters") == 1
    file.write_text(json.dumps({"lead_id": str(lead), "status": "contacted"}))
    code, out = await crm(*edit)
    assert (code, json.loads(out)["accepted"]) == (0, 1)
    [changed] = await world.pool.fetch(
        "SELECT * FROM crm_events WHERE event_type = 'lead.status_changed'"
    )
    [explained] = await world.pool.fetch(
        "SELECT * FROM crm_events WHERE event_type = 'change.explained'"
    )
    assert (changed["actor"], changed["causation_id"]) == ("operator", refused["id"])
    assert explained["payload"]["explained_event_id"] == str(changed["id"])
    assert changed["correlation_id"] == explained["correlation_id"]
    assert (
        await world.pool.fetchval(
            "SELECT status FROM crm.dead_letters WHERE id = $1", refused["id"]
        )
        == "replaced"
    )
    assert (await crm(*edit))[0] == 1, "a replaced record is edited once"


async def test_an_edited_record_needs_no_signature_of_a_producer(
    world: World, crm: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The operator is known; a record of the bus cannot have the topic of edited records."""
    await make_dead_letters(world)
    refused = await world.pool.fetchval(
        "SELECT id FROM crm.dead_letters WHERE reason = 'unknown_profile'"
    )
    shown = json.loads((await crm("dead", "show", str(refused)))[1])["value"]
    key = {"org": str(world.org_id), "secret": "s" * 32}
    monkeypatch.setenv("CRM_INTAKE_KEYS", json.dumps({"k": key}))
    file = tmp_path / "corrected.json"
    file.write_text(json.dumps({**shown, "created_by": None}))
    assert (await crm("dead", "edit", str(refused), str(file), "--reason", "x"))[0] == 0
