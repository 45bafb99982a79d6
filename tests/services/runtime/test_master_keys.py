"""A process without the master key of its key store ends with one line that says what to do."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from events.keys.ring import current_ring
from services.runtime.environment import to_environment
from services.runtime.process import WRONG_SETTINGS
from services.runtime.settings import Settings
from tests.world import make_world

OTHER_KEY = "YW5vdGhlciBtYXN0ZXIga2V5LCBhbHNvIDMyIGJ5dGU="
PROBE = """
from services.runtime.process import run_process

async def work(settings, stop, checks, clock):
    raise AssertionError("it must not start")

run_process("probe", work)
"""


@pytest.mark.parametrize(
    ("key", "in_file"), [(OTHER_KEY, False), (OTHER_KEY, True), (None, False)],
    ids=["another key", "another key in a file", "no key"],
)  # fmt: skip
async def test_a_process_without_the_right_master_key_ends_with_one_line(
    settings: Settings, pool: asyncpg.Pool, tmp_path: Path, key: str | None, in_file: bool
) -> None:
    environment = to_environment(settings.model_copy(update={"log_level": "error"}))
    own, [right] = environment.pop("CRM_MASTER_KEY"), current_ring().master_keys.ids
    if key is not None and in_file:
        (tmp_path / "master.key").write_text(key)
        environment["CRM_MASTER_KEY_FILE"] = str(tmp_path / "master.key")
    elif key is not None:
        environment["CRM_MASTER_KEY"] = key
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROBE, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    [line] = error.decode().splitlines()
    assert process.returncode == WRONG_SETTINGS
    expected = "CRM_MASTER_KEY is not set" if key is None else "add the missing key after the first"
    assert line.startswith("probe: ")
    assert expected in line
    assert key is None or right in line
    assert own not in line
    assert key is None or key not in line


async def test_a_process_does_not_start_on_a_log_that_lacks_erasures(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    lead = world.captured()
    await world.append(world.new(lead))
    await current_ring().destroy(pool, [lead.lead_id])
    environment = to_environment(settings.model_copy(update={"log_level": "error"}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROBE, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    [line] = error.decode().splitlines()
    assert process.returncode == WRONG_SETTINGS
    assert "run `crm privacy reapply`" in line
