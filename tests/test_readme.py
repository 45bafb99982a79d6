"""The examples of README.md are followed to the letter."""

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.runtime.environment import to_environment
from services.runtime.schema_check import WRITE_GUARD
from services.runtime.settings import Settings
from tests.checkout import ROOT, Checkout
from tests.conftest import until
from tests.local_http import open_local_client
from tests.process import running
from tests.world import make_world

README = (ROOT / "README.md").read_text(encoding="utf-8")
API = "http://127.0.0.1:8080"
TABLE = "lead_tour_counts"
RUNS = "Ctrl-C stops it"
"""The last line of `crm up` when all processes are ready contains it."""
START_SECONDS = 120
STOP_SECONDS = 60


def blocks(tag: str) -> str:
    """Return the text of all fenced blocks whose info string ends with `tag`."""
    found = re.findall(rf"^```\w+ {re.escape(tag)}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert found, f"README.md has no block {tag!r}"
    return "".join(found)


@asynccontextmanager
async def up(checkout: Checkout, command: str) -> AsyncIterator[str]:
    """Run `crm up` as README.md says; yield the address of the API when all processes are ready."""
    output = checkout.root / "up.log"
    log = output.open("w")
    state = Path(checkout.environment["CRM_HOME"]) / "stack.json"
    process = subprocess.Popen(  # noqa: ASYNC220 — starting it does not block
        ["bash", "-c", f"exec {command.strip()} --http-port 0"],
        cwd=checkout.root, env=checkout.environment, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        # Not with `crm status` only: each start of it would slow down what it waits for.
        await until(lambda: RUNS in output.read_text() or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, output.read_text()
        await until(lambda: is_ready(checkout), START_SECONDS)
        yield json.loads(state.read_text())["api_url"]
    finally:
        # A shell can start the tests with SIGINT ignored, which every process inherits.
        for number in (signal.SIGINT, signal.SIGTERM):
            if process.poll() is None:
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(process.wait, STOP_SECONDS)
        log.close()
        assert process.poll() is not None, "crm up does not stop"


def is_ready(checkout: Checkout) -> bool:
    status = subprocess.run(
        [".venv/bin/crm", "status"], cwd=checkout.root, env=checkout.environment,
        check=False, capture_output=True,
    )  # fmt: skip
    return status.returncode == 0


@pytest.fixture
def checkout(
    tmp_path: Path, home: Path, owner_settings: Settings, bootstrap_servers: str
) -> Checkout:
    """Copy the tree; its `crm up` uses the servers of this test run."""
    return Checkout(
        tmp_path,
        DATABASE_URL=owner_settings.dsn,
        KAFKA_BOOTSTRAP_SERVERS=bootstrap_servers,
        CRM_TOPIC_PREFIX=owner_settings.topic_prefix,
        CRM_HOME=str(home),
    )


async def test_the_publish_example_becomes_a_row(
    kafka_settings: Settings, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    world = await make_world(pool)
    lead = world.captured()
    await world.append(world.new(lead))
    environment = {
        **to_environment(kafka_settings),
        "PROPERTY_ID": str(world.properties[0]),
        "LEAD_ID": str(lead.lead_id),
    }
    example = Checkout(tmp_path, **environment)
    (example.root / "publish.py").write_text(blocks("publish"))
    async with running(kafka_settings, "relay", "intake", "projector"):
        for _ in range(2):
            await asyncio.to_thread(example.run, ".venv/bin/python publish.py")

        async def is_projected() -> bool:
            return bool(await world.count("lead_engagement_events WHERE event_type='email_opened'"))

        await until(is_projected)

        async def is_answered() -> bool:
            return await world.count("crm.intake_outcomes WHERE status = 'accepted'") == 2

        await until(is_answered)
    assert await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 1
    assert await world.count("crm.dead_letters") == 0
    assert await world.count("crm.intake_outcomes WHERE duplicate") == 1


async def test_the_replay_commands_run(
    kafka_settings: Settings, owner_settings: Settings, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    world = await make_world(pool)
    await world.append(world.new(world.captured()))
    await world.project()
    settings = kafka_settings.model_copy(update={"database_url": owner_settings.database_url})
    checkout = Checkout(tmp_path, **to_environment(settings))
    await asyncio.to_thread(checkout.run, blocks("replay"))


@pytest.mark.stack
async def test_a_new_projection_counts_a_tour_that_is_booked_over_http(
    checkout: Checkout, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    """Follow the quick start, then "Write a projection", with its migration and the restart."""
    async with up(checkout, blocks("projection-restart")) as api:
        script = blocks("quickstart").replace(API, api) + "\necho; echo $PROPERTY $LEAD"
        output = await asyncio.to_thread(checkout.run, script)
        responses, ids = output.strip().rsplit("\n", 1)
        score = read_last_object(responses)["score"]
        assert sum(int(factor["impact"]) for factor in score["factors"]) == score["totalScore"]
        module = f"projections/{TABLE}.py"
        (checkout.root / module).write_text(blocks(f"file={module}"))
        await asyncio.to_thread(checkout.run, blocks("projection"))
    property_id, lead_id = ids.split()
    async with up(checkout, blocks("projection-restart")) as api:
        token = await asyncio.to_thread(
            checkout.run, f".venv/bin/crm token --property {property_id}"
        )
        await book_tour(api, token.strip(), lead_id)

        async def count_booked() -> int | None:
            query = f"SELECT booked FROM {TABLE} WHERE id = $1"
            booked: int | None = await pool.fetchval(query, UUID(lead_id))
            return booked

        assert await until(count_booked) == 1
        await asyncio.to_thread(checkout.run, blocks("projection-check"))
        await assert_table_is_protected(pool)
        await owner_pool.execute(f"DROP TRIGGER {WRITE_GUARD} ON {TABLE}")
        with pytest.raises(AssertionError, match=TABLE):
            await asyncio.to_thread(checkout.run, ".venv/bin/crm db check")
        await until(lambda: names_the_table(checkout))
        with pytest.raises(AssertionError, match=TABLE):
            await asyncio.to_thread(checkout.run, ".venv/bin/crm status")


def read_last_object(text: str) -> dict[str, Any]:
    """Return the last of several JSON objects that follow each other without a separator."""
    decoder, end = json.JSONDecoder(), text.index("{")
    last: dict[str, Any] = {}
    while end < len(text):
        last, end = decoder.raw_decode(text, end)
    return last


async def book_tour(api: str, token: str, lead_id: str) -> None:
    day = date.today() + timedelta(days=2)  # noqa: DTZ011 — any day in the near future
    async with open_local_client(base_url=api, timeout=30) as client:
        response = await client.post(
            f"/api/leads/{lead_id}/tours",
            json={"tourDate": day.isoformat(), "tourTime": "14:00"},
            headers={"Authorization": f"Bearer {token}"},
        )
    assert response.status_code == 201, response.text


async def assert_table_is_protected(pool: asyncpg.Pool) -> None:
    """Check the write guard and row level security of the new table."""
    with pytest.raises(asyncpg.PostgresError):
        await pool.execute(f"UPDATE {TABLE} SET booked = 100")
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL ROLE anon")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with conn.transaction():
                await conn.execute(f"DELETE FROM {TABLE}")
        await conn.execute("SET LOCAL ROLE authenticated")
        assert await conn.fetchval(f"SELECT count(*) FROM {TABLE}") == 0
    assert await pool.fetchval(
        "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::regclass",
        TABLE,
    )


async def names_the_table(checkout: Checkout) -> bool:
    """Return whether /readyz of the API is not ready and names the table."""
    state = Path(checkout.environment["CRM_HOME"]) / "stack.json"
    health_url = json.loads(state.read_text())["urls"]["api"]
    async with open_local_client(base_url=health_url, timeout=30) as client:
        response = await client.get("/readyz")
    return response.status_code == 503 and TABLE in response.text
