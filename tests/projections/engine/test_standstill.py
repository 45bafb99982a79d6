"""Standstill: it is found while events wait and nothing moves, and only then."""

import asyncio
from typing import Any

import asyncpg
import orjson
import pytest

from projections.catalog import LIVE
from projections.engine import standstill
from projections.engine.standstill import Standstill, find_standstill
from services.cli.main import FAILED, OK, run
from tests.world import World, make_world

BRIEF = 0.3


async def find(pool: asyncpg.Pool) -> Standstill | None:
    async with pool.acquire() as conn:
        return await find_standstill(conn, LIVE)


async def wait(seconds: float) -> None:
    await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=seconds)


@pytest.fixture
async def world(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> World:
    """Create a world whose tables are level with the log, so long ago that it counts."""
    monkeypatch.setattr(standstill, "STANDSTILL_SECONDS", BRIEF)
    world = await make_world(pool)
    await world.project()
    await wait(2 * BRIEF)
    return world


async def test_level_tables_do_not_stand_still(world: World) -> None:
    assert await find(world.pool) is None


async def test_an_event_that_waits_for_long_is_a_standstill_until_it_is_projected(
    world: World,
) -> None:
    await world.append(world.new(world.captured()))
    await world.number()
    assert await find(world.pool) is None, "it has not waited long enough"
    await wait(2 * BRIEF)
    found = await find(world.pool)
    assert found is not None
    assert (len(found.shards), found.unnumbered, found.tables) == (1, 0, ())
    assert "projection stands still: events of 1 shard have waited" in str(found)
    await world.project()
    assert await find(world.pool) is None


async def test_a_backlog_that_is_being_projected_is_no_standstill(world: World) -> None:
    await world.append(world.new(world.captured()))
    await world.number()
    await wait(2 * BRIEF)
    await world.pool.execute("UPDATE crm.checkpoints SET moved_at = clock_timestamp()")
    assert await find(world.pool) is None


async def test_events_without_a_position_are_a_standstill_of_the_relay(world: World) -> None:
    await world.append(world.new(world.captured()))
    await wait(2 * BRIEF)
    found = await find(world.pool)
    assert found is not None
    assert (found.shards, found.unnumbered) == ((), 1)
    assert "start the relay" in str(found)


@pytest.mark.parametrize("command", [["replay", "verify"], ["db", "check"]])
async def test_no_command_says_that_all_is_well_while_projection_stands_still(
    world: World,
    database_url: str,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)

    async def check() -> tuple[int, Any]:
        code = await asyncio.to_thread(run, [*command, "--json"])
        return code, orjson.loads(capsys.readouterr().out)

    assert (await check())[0] == OK
    await world.append(world.new(world.captured()))
    await world.number()
    await wait(2 * BRIEF)
    code, report = await check()
    assert code == FAILED
    texts = report["differences"] if command == ["db", "check"] else [report["standstill"]]
    assert "projection stands still" in texts[0]
    await world.project()
    assert (await check())[0] == OK
