"""`crm adopt` with a real database."""

import asyncio
import csv
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.world import World, make_world


@pytest.fixture
async def world(owner_pool: asyncpg.Pool) -> World:
    """Return a shared database: one row is adopted, one can be, and one cannot be."""
    world = await make_world(owner_pool)
    async with owner_pool.acquire() as conn:
        await conn.execute("SELECT crm.open_adoption()")
        insert = "INSERT INTO leads (id, property_id, status) VALUES ($1, $2, $3)"
        await conn.execute(insert, uuid4(), world.properties[0], "new")
        async with conn.transaction():
            await conn.execute("SET LOCAL crm.engine = 'on'")  # as if it had been there before
            await conn.execute(insert, uuid4(), world.properties[0], "new")
            await conn.execute(insert, uuid4(), world.properties[0], "prospect")
    return world


@pytest.fixture
def crm(
    owner_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Return a function that runs `crm …` in a thread: exit code, stdout and stderr."""
    use_database(monkeypatch, owner_settings)
    monkeypatch.setenv("COLUMNS", "200")

    async def call(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run, arguments)
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


async def test_a_dry_run_counts_and_changes_nothing(world: World, crm: Any) -> None:
    events = await world.count("crm_events")
    code, out, _ = await crm("adopt", "--dry-run", "--json")
    summary = json.loads(out)
    assert (code, summary["tables"][0]) == (
        0,
        {"table": "leads", "rows": 3, "adopted": 1, "new": 0, "to_adopt": 1, "left_out": 1},
    )
    assert [row["why"] for row in summary["left_out"]] == ["status is unknown: prospect"]
    assert await world.count("crm_events") == events


async def test_adoption_runs_once_and_lists_the_rows_that_it_left_out(
    world: World, crm: Any, tmp_path: Path
) -> None:
    code, _, error = await crm("replay", "verify")
    assert (code, "crm adopt" in error) == (1, True)
    path = tmp_path / "left.csv"
    code, out, _ = await crm("adopt", "--left-out", str(path), "--json")
    assert (code, json.loads(out)["tables"][0]["new"]) == (0, 1)
    with path.open() as file:
        assert [(r["table"], r["why"]) for r in csv.DictReader(file)] == [
            ("leads", "status is unknown: prospect")
        ]
    code, out, _ = await crm("adopt")
    assert (code, "prospect" in out) == (0, True)
    await world.project()
    code, _, _ = await crm("replay", "verify")
    assert code == 0


async def test_adoption_without_rows_needs_the_option_open(pool: asyncpg.Pool, crm: Any) -> None:
    await make_world(pool)
    code, _, error = await crm("adopt")
    assert (code, "--open" in error) == (1, True)
