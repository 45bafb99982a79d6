"""Faults of the database: a process names the table on /readyz, runs on, and recovers itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from structlog.testing import capture_logs

from events.keys.errors import DataKeyMissing
from projections.catalog import LIVE
from projections.engine import checkpoints, standstill
from services.event_consumer import standstill_report
from services.intake import intake
from services.local_stack.ports import HOST, free_port
from services.projector import projector
from services.relay import relay
from services.runtime import process as process_frame
from services.runtime.clock import Clock
from services.runtime.health import serve_health
from services.runtime.metrics import REGISTRY, exposition
from services.runtime.process import OPERATOR, Checks, ProcessFunction, survive_faults
from services.runtime.settings import Settings
from services.sender import sender
from services.timers import timers
from services.workflows import workflows
from tests.conftest import until
from tests.forked import ForkedProcess
from tests.local_http import open_local_client
from tests.races.processes import wait_until_level
from tests.world import make_world

pytestmark = pytest.mark.stack
SILENT_SECONDS = 5.0
"""The time for which a process without its protection is watched: it would report by then."""

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


@pytest.fixture(autouse=True)
def short_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon after a fault, and soon no longer report it: most tests here wait for both."""
    monkeypatch.setattr(process_frame, "FAULT_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(process_frame, "FAULT_REPORT_SECONDS", 2.0)


class RunningProcess:
    """A process with its health routes."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def load_problems(self) -> dict[str, str] | None:
        """Return what /readyz reports; None while there is no server."""
        try:
            async with open_local_client() as client:
                response = await client.get(f"http://{HOST}:{self.port}/readyz")
        except httpx2.HTTPError:
            return None
        problems: dict[str, str] = response.json()["problems"]
        return problems

    async def is_ready(self) -> bool:
        return await self.load_problems() == {}

    async def names(self, *texts: str) -> bool:
        """Return True if one problem contains all the texts."""
        problems = (await self.load_problems() or {}).values()
        return any(all(text in problem for text in texts) for problem in problems)

    async def names_only(self, check: str) -> bool:
        """Return True if this check has a problem and no other one has."""
        return set(await self.load_problems() or {}) == {check}


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
        await until(lambda: process.names("public.tours"))
        await owner_pool.execute(repair)
        await until(process.is_ready)


@DAMAGES
async def test_readyz_of_the_api_names_a_table_that_is_missing_or_unprotected(
    settings: Settings, owner_pool: asyncpg.Pool, damage: str, repair: str
) -> None:
    async with run_api(settings) as api:
        await owner_pool.execute(damage)
        await until(lambda: api.names("public.tours"))
        await owner_pool.execute(repair)
        await until(api.is_ready)


async def test_the_api_serves_its_metrics_on_the_health_port(settings: Settings) -> None:
    async with run_api(settings) as api, open_local_client() as client:
        metrics = await client.get(f"http://{HOST}:{api.port}/metrics")
        assert "crm_events_appended_total" in metrics.text


@asynccontextmanager
async def run_api(settings: Settings) -> AsyncIterator[RunningProcess]:
    """Run the API as a process of its own; check that it is still running at the end."""
    port = free_port()
    moved = settings.model_copy(update={"http_port": 0, "health_port": port})
    process = ForkedProcess("api", moved)
    await process.start()
    api = RunningProcess(port)
    try:
        await until(api.is_ready)
        yield api
        assert process.exit_code is None, "the process runs on"
    finally:
        process.stop()
        await process.wait(20)


@pytest.mark.parametrize(
    ("work", "table"),
    [
        (relay.work, "crm.log"),
        (intake.work, "crm.intake_waiting"),
        (timers.work, "crm_state.lead_score_state"),
        (sender.work, "crm.timers"),
        (projector.work, "crm.checkpoints"),
        (workflows.work, "crm.checkpoints"),
        (workflows.work, "crm.policy_failures"),
        (workflows.work, "crm.timers"),
    ],
    ids=[
        "relay",
        "intake",
        "timers",
        "sender",
        "projector",
        "workflows",
        "failures",
        "run timers",
    ],
)
async def test_a_missing_table_is_reported_as_a_fault_until_it_is_repaired(
    kafka_settings: Settings, owner_pool: asyncpg.Pool, work: ProcessFunction, table: str
) -> None:
    schema, name = table.split(".")
    async with run_process(kafka_settings, work) as process:
        await owner_pool.execute(f"ALTER TABLE {table} RENAME TO lost")
        await until(lambda: process.names("UndefinedTableError", name))
        await owner_pool.execute(f"ALTER TABLE {schema}.lost RENAME TO {name}")
        await until(process.is_ready)


async def test_a_missing_privilege_is_reported_as_a_fault_until_it_is_granted(
    kafka_settings: Settings, owner_pool: asyncpg.Pool
) -> None:
    privilege = "SELECT ON crm_state.lead_score_state"
    async with run_process(kafka_settings, timers.work) as process:
        await owner_pool.execute(f"REVOKE {privilege} FROM service_role")
        await until(lambda: process.names("permission denied for table"))
        await owner_pool.execute(f"GRANT {privilege} TO service_role")
        await until(process.is_ready)


async def test_a_missing_data_key_is_reported_until_the_key_store_is_restored(
    settings: Settings,
) -> None:
    subject, attempts = uuid4(), 0
    before = REGISTRY.get_sample_value("crm_data_key_missing_total") or 0

    async def work(_: Settings, stop: asyncio.Event, checks: Checks, _clock: Clock) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise DataKeyMissing([subject])
        stop.set()

    checks: Checks = {}
    await survive_faults(work, settings, asyncio.Event(), checks, Clock())
    problem = await checks[OPERATOR]()
    assert problem is not None
    assert f"{subject}: restore the key store" in problem
    assert REGISTRY.get_sample_value("crm_data_key_missing_total") == before + 2


async def test_without_the_distinction_a_missing_table_is_retried_in_silence(
    kafka_settings: Settings, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protection of the tests above is removed."""
    monkeypatch.setattr(timers, "RETRY_ERRORS", (asyncpg.PostgresError,))
    async with run_process(kafka_settings, timers.work) as process:
        await owner_pool.execute("ALTER TABLE crm_state.lead_score_state RENAME TO lost")
        with pytest.raises(AssertionError, match="not true within"):
            await until(lambda: process.names("UndefinedTableError"), SILENT_SECONDS)


async def test_a_projector_waits_for_the_rebuild_of_a_new_projection_and_names_it(
    kafka_settings: Settings, pool: asyncpg.Pool
) -> None:
    """The checkpoints are those of a build that had no `tours` and another version of `leads`."""
    old = " ".join(
        name.replace("leads.", "leads.0") for name in LIVE.version.split() if "tours." not in name
    )
    async with pool.acquire() as conn:
        await checkpoints.create(conn, LIVE.name, old, 1)
    async with run_process(kafka_settings, relay.work) as _:
        stop, checks, port = asyncio.Event(), Checks(), free_port()
        async with serve_health(checks, host=HOST, port=port):
            work = survive_faults(projector.work, kafka_settings, stop, checks, Clock())
            task, process = asyncio.create_task(work), RunningProcess(port)
            try:
                await until(lambda: process.names("run `crm replay rebuild leads tours`"))
                await until(lambda: process.names_only(OPERATOR))
                assert not task.done()
                await pool.execute("UPDATE crm.checkpoints SET version = $1", LIVE.version)
                await until(process.is_ready)
            finally:
                stop.set()
                await asyncio.wait_for(task, 60)


STANDSTILLS = pytest.mark.parametrize(
    ("damage", "repair"),
    [
        ("REVOKE INSERT ON leads FROM service_role", "GRANT INSERT ON leads TO service_role"),
        ("BEGIN; LOCK TABLE leads IN SHARE MODE", "ROLLBACK"),
    ],
    ids=["privilege", "lock"],
)


@STANDSTILLS
async def test_a_projector_that_cannot_write_a_table_says_so_and_names_the_table(
    kafka_settings: Settings,
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    repair: str,
) -> None:
    """A lock is held for longer than this test: the statement does not fail before its end."""
    monkeypatch.setattr(standstill, "STANDSTILL_SECONDS", 1.0)
    monkeypatch.setattr(standstill_report, "LOOK_SECONDS", 0.2)
    world = await make_world(pool)

    def stands_still() -> bool:
        metrics = exposition().decode()
        return 'crm_projection_standstill_seconds{table="public.leads"}' in metrics

    def is_logged() -> bool:
        errors = (line for line in lines if line["log_level"] == "error")
        return any("public.leads" in str(line) for line in errors)

    with capture_logs() as lines:
        async with (
            run_process(kafka_settings, relay.work),
            run_process(kafka_settings, projector.work) as process,
            owner_pool.acquire() as owner,
        ):
            await wait_until_level(pool)
            await owner.execute(damage)
            await world.append(world.new(world.captured()))
            await until(lambda: process.names("public.leads"))
            await until(stands_still)
            await until(is_logged)
            assert not await process.is_ready()
            await owner.execute(repair)
            await wait_until_level(pool)
            await until(process.is_ready)
            await until(lambda: not stands_still())


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
        await until(lambda: process.names("UndefinedTableError"))
        await owner_pool.execute("ALTER TABLE lost_leads RENAME TO leads")
        await wait_until_level(pool)
        await until(process.is_ready)
    assert await world.count("leads") == 1
    assert await world.count("crm.parked") == 0
