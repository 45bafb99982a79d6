"""Faults of the database: a process names the table on /readyz, runs on, and recovers itself."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx2
import pytest

from services.intake import intake
from services.local_stack.ports import HOST, free_port
from services.projector import projector
from services.relay import relay
from services.runtime.clock import Clock
from services.runtime.environment import to_environment
from services.runtime.health import serve_health
from services.runtime.process import Checks, ProcessFunction, survive_faults
from services.runtime.settings import Settings
from services.timers import timers
from tests.conftest import until
from tests.races.processes import wait_until_level
from tests.world import make_world

pytestmark = pytest.mark.stack
NAMED_SECONDS = 5.0
"""The time within which /readyz must name the table."""


DAMAGES = pytest.mark.parametrize(
    ("damage", "repair"),
    [
        ("ALTER TABLE tours DISABLE TRIGGER crm_only_engine",
         "ALTER TABLE tours ENABLE ALWAYS TRIGGER crm_only_engine"),
        ("REVOKE SELECT ON tours FROM authenticated", "GRANT SELECT ON tours TO authenticated"),
        ("ALTER TABLE tours RENAME TO lost_tours", "ALTER TABLE lost_tours RENAME TO tours"),
    ],
    ids=["guard", "grant", "table"],
)  # fmt: skip


class RunningProcess:
    """A process with its health routes."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def load_problems(self) -> dict[str, str] | None:
        """Return what /readyz reports; None while there is no server."""
        try:
            async with httpx2.AsyncClient() as client:
                response = await client.get(f"http://{HOST}:{self.port}/readyz")
        except httpx2.HTTPError:
            return None
        problems: dict[str, str] = response.json()["problems"]
        return problems

    async def is_ready(self) -> bool:
        return await self.load_problems() == {}

    async def names(self, text: str) -> bool:
        return any(text in problem for problem in (await self.load_problems() or {}).values())


@asynccontextmanager
async def run_process(settings: Settings, work: ProcessFunction) -> AsyncIterator[RunningProcess]:
    """Run a worker inside the test; check that it is still running at the end of the block."""
    stop, checks, port = asyncio.Event(), Checks(), free_port()
    async with serve_health(checks, host=HOST, port=port):
        task = asyncio.create_task(survive_faults(work, settings, stop, checks, Clock()))
        process = RunningProcess(port)
        try:
            await until(process.is_ready)
            yield process
            assert not task.done(), "the process runs on"
        finally:
            stop.set()
            await asyncio.wait_for(task, 60)


@DAMAGES
async def test_readyz_of_the_projector_names_a_table_that_is_missing_or_unprotected(
    kafka_settings: Settings, owner_pool: asyncpg.Pool, damage: str, repair: str
) -> None:
    async with run_process(kafka_settings, projector.work) as process:
        await owner_pool.execute(damage)
        await until(lambda: process.names("public.tours"), NAMED_SECONDS)
        await owner_pool.execute(repair)
        await until(process.is_ready)


@DAMAGES
async def test_readyz_of_the_api_names_a_table_that_is_missing_or_unprotected(
    settings: Settings, owner_pool: asyncpg.Pool, damage: str, repair: str
) -> None:
    async with run_api(settings) as api:
        await owner_pool.execute(damage)
        await until(lambda: api.names("public.tours"), NAMED_SECONDS)
        await owner_pool.execute(repair)
        await until(api.is_ready)


@asynccontextmanager
async def run_api(settings: Settings) -> AsyncIterator[RunningProcess]:
    """Run the API as a process of its own; check that it is still running at the end."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.api",
        env=to_environment(settings.model_copy(update={"http_port": port})),
    )
    api = RunningProcess(port)
    try:
        await until(api.is_ready)
        yield api
        assert process.returncode is None, "the process runs on"
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)


@pytest.mark.parametrize(
    ("work", "table"),
    [
        (relay.work, "crm.log"),
        (intake.work, "crm.intake_waiting"),
        (timers.work, "crm_state.lead_score_state"),
        (projector.work, "crm.checkpoints"),
    ],
    ids=["relay", "intake", "timers", "projector"],
)
async def test_a_missing_table_is_reported_as_a_fault_until_it_is_repaired(
    kafka_settings: Settings, owner_pool: asyncpg.Pool, work: ProcessFunction, table: str
) -> None:
    schema, name = table.split(".")
    async with run_process(kafka_settings, work) as process:
        await owner_pool.execute(f"ALTER TABLE {table} RENAME TO lost")
        await until(lambda: process.names("UndefinedTableError"), NAMED_SECONDS)
        assert await process.names(name)
        await owner_pool.execute(f"ALTER TABLE {schema}.lost RENAME TO {name}")
        await until(process.is_ready)


async def test_a_missing_privilege_is_reported_as_a_fault_until_it_is_granted(
    kafka_settings: Settings, owner_pool: asyncpg.Pool
) -> None:
    privilege = "SELECT ON crm_state.lead_score_state"
    async with run_process(kafka_settings, timers.work) as process:
        await owner_pool.execute(f"REVOKE {privilege} FROM service_role")
        await until(lambda: process.names("permission denied for table"), NAMED_SECONDS)
        await owner_pool.execute(f"GRANT {privilege} TO service_role")
        await until(process.is_ready)


async def test_without_the_distinction_a_missing_table_is_retried_in_silence(
    kafka_settings: Settings, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protection of the tests above is removed."""
    monkeypatch.setattr(timers, "RETRY_ERRORS", (asyncpg.PostgresError,))
    async with run_process(kafka_settings, timers.work) as process:
        await owner_pool.execute("ALTER TABLE crm_state.lead_score_state RENAME TO lost")
        with pytest.raises(AssertionError, match="not true within"):
            await until(lambda: process.names("UndefinedTableError"), NAMED_SECONDS)


async def test_events_appended_during_a_fault_are_projected_after_its_repair(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool
) -> None:
    world = await make_world(pool)
    async with (
        run_process(kafka_settings, relay.work),
        run_process(kafka_settings, projector.work) as process,
    ):
        await owner_pool.execute("ALTER TABLE leads RENAME TO lost_leads")
        await world.append(world.new(world.captured()))
        await until(lambda: process.names("UndefinedTableError"), 20)
        await owner_pool.execute("ALTER TABLE lost_leads RENAME TO leads")
        await wait_until_level(pool)
        await until(process.is_ready)
    assert await world.count("leads") == 1
    assert await world.count("crm.parked") == 0
