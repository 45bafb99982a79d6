"""The README's quick starts do what they say."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from projections.catalog import LIVE, METADATA
from projections.engine import checkpoints, rebuild
from projections.engine.apply import Life
from projections.engine.live import Engine
from projections.engine.projection_group import ProjectionGroup
from projections.engine.refold import folding_log
from services.runtime.settings import Settings, as_environment
from tests.conftest import until
from tests.process import running
from tests.tours import cancelled, scheduled
from tests.world import make_world

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def block(tag: str) -> str:
    """The code of the one fenced block whose info string ends in `tag`."""
    (found,) = re.findall(rf"```\w+ {tag}\n(.*?)```", README, re.DOTALL)
    return str(found)


def run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def test_the_publish_example_becomes_a_row(
    kafka_settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    async with running(kafka_settings, "relay", "intake", "projector"):
        env = {
            **os.environ,
            **as_environment(kafka_settings),
            "PROPERTY_ID": str(world.properties[0]),
            "LEAD_ID": str(lead),
        }
        for _ in range(2):
            await asyncio.to_thread(run, [sys.executable, "-c", block("publish")], env)

        async def opened() -> bool:
            return bool(await world.count("lead_engagement_events WHERE event_type='email_opened'"))

        await until(opened)
    assert await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 1


async def test_the_projection_example_is_under_the_law(pool: asyncpg.Pool) -> None:
    names: dict[str, Any] = {}
    exec(block("projection"), names)
    try:
        await _project_and_verify(pool, names)
    finally:
        METADATA.remove(names["TABLE"])


async def _project_and_verify(pool: asyncpg.Pool, names: dict[str, Any]) -> None:
    world = await make_world(pool)
    async with pool.acquire() as conn:
        await conn.execute(
            "CREATE TABLE lead_tour_counts (id uuid PRIMARY KEY, property_id uuid REFERENCES "
            "properties DEFERRABLE INITIALLY DEFERRED, booked int, cancelled int)"
        )
    lead, first, second = uuid4(), uuid4(), uuid4()
    for event in (
        world.captured(lead),
        scheduled(first, lead),
        scheduled(second, lead),
        cancelled(first, lead),
    ):
        await world.append(world.new(event))
    await world.number()
    unit = ProjectionGroup("live", (*LIVE.projections, names["projection"]))
    async with pool.acquire() as conn:
        await checkpoints.create(conn, unit.name, unit.version, 1)
    engine = Engine(pool, Life(unit, 1), "test")
    await engine.claim(range(64))
    for shard, head in (await engine.behind()).items():
        await engine.fill_gap(shard, head)
    await engine.settle()
    async with pool.acquire() as conn:
        (row,) = await conn.fetch("SELECT id, booked, cancelled FROM lead_tour_counts")
    assert tuple(row) == (UUID(str(lead)), 2, 1)
    work = rebuild.Rebuild(pool, unit, unit, folding_log(pool), lambda *_: None)
    assert (await work.verify()).equal


async def test_the_replay_commands_run(kafka_settings: Settings, pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    await world.project()
    env = {**os.environ, **as_environment(kafka_settings)}
    crm = [sys.executable, "-m", "services.cli"]
    for line in block("replay").strip().splitlines():
        await asyncio.to_thread(run, [*crm, *line.split()[1:]], env)
