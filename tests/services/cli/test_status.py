"""`crm status` shows how far projector and policies are behind, and that they stand still."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from projections.engine import standstill
from services.application.policy_group import POLICIES
from services.cli.main import FAILED, run
from services.runtime.stack_state import StackState, write_state
from tests.conftest import until
from tests.services.workflows.policy_bus import open_policies
from tests.world import World, make_world

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
def stack_home(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the state of a stack whose processes do not answer."""
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    database = {"database_url": database_url}
    urls = dict.fromkeys(("projector", "workflows", "relay"), NOBODY)
    write_state(tmp_path, StackState(pid=1, settings=database, api_url=NOBODY, urls=urls))
    return tmp_path


async def load_status(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert await asyncio.to_thread(run, ["status", "--json"]) == FAILED
    return {row["process"]: row for row in orjson.loads(capsys.readouterr().out)}


async def test_the_lag_of_projector_and_policies_is_shown(
    world: World, stack_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = await open_policies(world)
    await world.project()
    await world.append(*(world.new(world.captured(uuid4(), email=None)) for _ in range(3)))
    await bus.fill()
    rows = await load_status(capsys)
    assert {name: row["lag_events"] for name, row in rows.items()} == {
        "projector": 3, "workflows": 0, "relay": None,
    }  # fmt: skip
    await world.project()
    await world.append(world.new(world.captured(uuid4(), email=None)))
    rows = await load_status(capsys)
    assert (rows["projector"]["lag_events"], rows["workflows"]["lag_events"]) == (1, 1)


async def test_policies_that_stand_still_are_a_problem(
    world: World,
    stack_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standstill, "STANDSTILL_SECONDS", 0.2)
    await open_policies(world)
    await world.append(world.new(world.captured()))
    await world.project()

    async def is_reported() -> bool:
        problems = (await load_status(capsys)).get("database", {}).get("problems", {})
        return f"{POLICIES.work} stands still" in problems.get("schema", "")

    await until(is_reported)


async def test_without_policies_nothing_stands_still(
    world: World, stack_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An installation that never ran the process has no checkpoints of it."""
    await world.append(world.new(world.captured()))
    await world.project()
    assert "database" not in await load_status(capsys)
