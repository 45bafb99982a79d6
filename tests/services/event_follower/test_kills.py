"""A follower process that is killed again and again loses no event."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from services.event_follower.follower import BATCH_EVENTS
from services.relay import relay
from services.runtime.environment import to_environment
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import is_bus_complete, run_processes
from tests.world import World, make_world

KILLS = 4


async def start(settings: Settings, out: Path, *arguments: str) -> asyncio.subprocess.Process:
    """Start `crm events follow`; it appends its lines to a file."""
    with out.open("ab") as lines:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", "events", "follow", *arguments, stdout=lines,
            stderr=asyncio.subprocess.PIPE, env={**os.environ, **to_environment(settings)},
        )  # fmt: skip


async def run(settings: Settings, out: Path, *arguments: str) -> tuple[int, str]:
    """Run it to its end; return exit code and stderr."""
    process = await start(settings, out, *arguments)
    _, error = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, error.decode()


def read_leads(out: Path) -> list[UUID]:
    """Return the lead of each captured lead in whole lines; a kill can cut the last one."""
    lines = out.read_bytes().splitlines() if out.exists() else []
    events = [orjson.loads(line) for line in lines if line.endswith(b"}") and line[:1] == b"{"]
    return [UUID(event["leadid"]) for event in events if event["type"] == "lead.captured"]


async def add_lead(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(world.captured(lead, email=f"{lead}@example.com")))
    return lead


@pytest.mark.kill
@pytest.mark.stack
async def test_a_killed_follower_reads_on_and_leaves_no_event_out(
    kafka_settings: Settings, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    world, out, leads = await make_world(pool), tmp_path / "events.jsonl", list[UUID]()
    arguments = (str(world.org_id), "--name", "killed", "--from", "start")
    generator = random.Random("kills")
    async with run_processes(kafka_settings, relay.work):
        for _ in range(KILLS):
            process = await start(kafka_settings, out, *arguments)
            seen = len(read_leads(out))
            for _ in range(generator.randrange(5, 30)):
                leads.append(await add_lead(world))
            await until(lambda seen=seen: len(read_leads(out)) > seen)  # type: ignore[misc]
            process.kill()
            await process.wait()
            with out.open("ab") as lines:
                lines.write(b"\n")  # what a kill cut ends here
        await until(lambda: is_bus_complete(kafka_settings, pool))
        code, error = await run(kafka_settings, out, *arguments, "--once")
        assert (code, error) == (0, "")
        written = read_leads(out)
        assert set(written) == set(leads)
        assert len(written) <= len(leads) + KILLS * BATCH_EVENTS
        code, _ = await run(kafka_settings, tmp_path / "rest", *arguments, "--once")
        assert (code, read_leads(tmp_path / "rest")) == (0, [])
        process = await start(kafka_settings, out, *arguments)
        last = await add_lead(world)
        await until(lambda: last in read_leads(out))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_exit_codes_say_why_a_follower_ended(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, tmp_path: Path
) -> None:
    world, out = await make_world(pool), tmp_path / "events.jsonl"
    org_id = str(world.org_id)
    unreachable = kafka_settings.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})
    assert (await run(unreachable, out, org_id))[0] == 3
    assert (await run(kafka_settings, out, org_id, "--types", "lead.moved"))[0] == 1
    assert (await run(kafka_settings, out, org_id, "--name", "A B"))[0] == 1
    code, error = await run(kafka_settings, out, "no-id")
    assert (code, error.count("\n")) == (2, 1)
    async with run_processes(kafka_settings, relay.work):
        lead = await add_lead(world)
        await until(lambda: is_bus_complete(kafka_settings, pool))
        arguments = (org_id, "--from", "start", "--once")
        await owner_pool.execute("DELETE FROM crm_keys.data_keys WHERE subject_id = $1", lead)
        code, error = await run(kafka_settings, out, *arguments)
        assert (code, error.count("\n")) == (4, 1)
        assert str(lead) in error
