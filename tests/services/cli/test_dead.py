"""`crm dead` on a real database."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from services.cli.main import run
from services.intake import redrive
from services.intake.admission import Door
from services.intake.settings import IntakeSettings, ProducerKey
from services.runtime.settings import Settings
from tests.services.intake.dead_letters import binary, received
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
def crm(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Runs `crm …` in a thread, as it brings its own loop; exit code and what it printed."""
    monkeypatch.setenv("DATABASE_URL", settings.dsn)
    monkeypatch.setenv("COLUMNS", "200")

    async def call(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, arguments)
        return code, capsys.readouterr().out

    return call


async def two_letters(world: World) -> UUID:
    """One letter that a new profile puts right, and one that nothing does; the profile's id."""
    lead, person = uuid4(), uuid4()
    await world.append(world.new(world.captured(lead)))
    said = {
        "activity_id": str(uuid4()), "lead_id": str(lead), "type": "note",
        "created_by": str(person),
    }  # fmt: skip
    records = [
        binary("activity.recorded", said, world.properties[0]),
        received(b"\xff\x00", (("h", None), ("b", b"\xff"))),
    ]
    await Door(world.pool, IntakeSettings()).take_in(records)
    return person


async def test_letters_are_listed_and_shown(world: World, crm: Any) -> None:
    await two_letters(world)
    code, out = await crm("dead", "list", "--json")
    listed = json.loads(out)
    assert (code, [row["reason"] for row in listed]) == (0, ["unknown_profile", "malformed"])
    code, out = await crm("dead", "list", "--reason", "malformed", "--json")
    assert len(json.loads(out)) == 1
    code, out = await crm("dead", "show", listed[1]["id"])
    assert (code, json.loads(out)["headers"]["h"]) == (0, None)
    assert (await crm("dead", "show", str(uuid4())))[0] == 1


async def test_after_a_fix_letters_are_driven_in_again(world: World, crm: Any) -> None:
    person = await two_letters(world)
    before = await world.count("crm_events")
    code, out = await crm("dead", "redrive", "--all", "--json")
    assert (code, json.loads(out)["dead"]) == (1, 2)
    await world.pool.execute(
        "INSERT INTO profiles (id, org_id, role) VALUES ($1, $2, 'manager')", person, world.org_id
    )
    code, out = await crm("dead", "redrive", "--reason", "unknown_profile", "--dry-run", "--json")
    assert json.loads(out) == {"dry_run": True, "letters": 1}
    code, out = await crm("dead", "redrive", "--reason", "unknown_profile", "--json")
    assert (code, json.loads(out)["accepted"]) == (0, 1)
    assert await world.count("crm_events WHERE event_type = 'activity.recorded'") == 1
    assert await world.count("crm_events") == before + 2, "the profile and the activity"
    assert await world.count("crm.dead_letters WHERE status = 'open' AND attempts = 2") == 1


async def test_one_connection_allowed_is_no_reason_to_hang(
    world: World, crm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is decided needs a connection beside the door's own."""
    monkeypatch.setenv("CRM_POOL_SIZE", "1")
    key = ProducerKey(org=world.org_id, secret=SecretStr("a secret that is long"))
    said = {"lead_id": str(uuid4()), "source": "Google", "email": "ada@example.com"}
    unsigned = binary("lead.captured", said, world.properties[0])
    await Door(world.pool, IntakeSettings(keys={"ours": key})).take_in([unsigned])
    async with asyncio.timeout(20):
        code, out = await crm("dead", "redrive", "--all", "--json")
    assert (code, json.loads(out)["accepted"]) == (0, 1)


async def test_saying_nothing_means_nothing(world: World, crm: Any) -> None:
    await two_letters(world)
    assert (await crm("dead", "redrive"))[0] == 1
    assert (await crm("dead", "drop"))[0] == 1
    assert await world.count("crm.dead_letters WHERE status = 'open'") == 2


async def test_dropped_letters_stay_dropped(world: World, crm: Any) -> None:
    await two_letters(world)
    code, out = await crm("dead", "drop", "--reason", "malformed", "--json")
    assert (code, json.loads(out)) == (0, {"dropped": 1})
    code, out = await crm("dead", "list", "--json")
    assert [row["reason"] for row in json.loads(out)] == ["unknown_profile"]


async def test_all_are_all_however_many_are_taken_at_a_time(
    world: World, crm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive, "LETTERS_AT_A_TIME", 2)
    await Door(world.pool, IntakeSettings()).take_in([received(b"%d" % n) for n in range(5)])
    for command in ("redrive", "drop"):
        code, out = await crm("dead", command, "--all", "--dry-run", "--json")
        assert (code, json.loads(out)["letters"]) == (0, 5)
    code, out = await crm("dead", "redrive", "--all", "--json")
    assert (code, json.loads(out)["dead"]) == (1, 5)
    assert await world.count("crm.dead_letters WHERE attempts = 2") == 5
    code, out = await crm("dead", "drop", "--all", "--json")
    assert (code, json.loads(out)) == (0, {"dropped": 5})
    assert await world.count("crm.dead_letters WHERE status = 'dropped'") == 5


async def test_a_list_that_is_not_whole_says_so(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("DATABASE_URL", settings.dsn)
    await two_letters(world)
    for limit, remark in (("1", "1 of 2"), ("2", "")):
        assert await asyncio.to_thread(run, ("dead", "list", "--json", "--limit", limit)) == 0
        told = capsys.readouterr()
        assert len(json.loads(told.out)) == int(limit)
        assert told.err.startswith(remark) if remark else not told.err
