"""`crm workflow seed`: writes the standard workflows of a property once."""

import json
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from tests.services.cli.test_credentials import crm
from tests.world import World, make_world


@pytest.fixture
async def world(
    database_url: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> World:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    return await make_world(pool)


async def test_a_property_of_the_host_is_seeded_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    property_id = str(world.properties[0])
    for expected in ((3, 17), (0, 0)):
        code, out = await crm(capsys, "workflow", "seed", property_id, "--json")
        assert code == 0
        counts = json.loads(out)
        assert (counts["definitions"], counts["templates"]) == expected
    assert (await crm(capsys, "workflow", "seed", str(uuid4()))) == (1, "")
    await world.project()
    assert await world.count("workflow_definitions WHERE NOT is_active AND seeded") == 3
    assert await world.count("follow_up_templates WHERE NOT is_active AND seeded") == 17


async def test_a_new_property_is_created_with_the_workflows(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = await crm(
        capsys, "property", "create", "--name", "Maple", "--timezone", "UTC", "--json"
    )
    assert code == 0
    property_id = json.loads(out)["property_id"]
    _, out = await crm(capsys, "workflow", "seed", property_id, "--json")
    assert json.loads(out)["definitions"] == 0
