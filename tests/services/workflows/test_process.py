"""The workflows process on a real bus: rebalances, kills, standstills and forged records."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from events.log.generation import begin_generation
from events.runs import RunEnrolled
from projections.engine import checkpoints, standstill
from services.application.policy_group import POLICIES
from services.event_consumer import standstill_report
from services.relay import relay
from services.runtime.metrics import REGISTRY
from services.runtime.settings import Settings
from services.workflows import workflows
from tests.conftest import until
from tests.forked import ForkedProcess
from tests.races.processes import run_processes
from tests.services.application.workflow_harness import WorkflowHarness, wait
from tests.services.runtime.test_faults import run_process
from tests.world import make_world

pytestmark = pytest.mark.stack
PROPERTIES = 6


@pytest.fixture
async def harnesses(pool: asyncpg.Pool) -> list[WorkflowHarness]:
    """Create properties in several shards, each with an active workflow."""
    world = await make_world(pool, properties=PROPERTIES)
    world.now = datetime.now(UTC)
    harnesses = []
    for property_id in world.properties:
        other = await make_world(pool, properties=0)
        other.org_id, other.properties, other.now = world.org_id, [property_id], world.now
        harness = WorkflowHarness(other)
        await harness.create_workflow(wait("rest", 1_000))
        harnesses.append(harness)
    return harnesses


async def start_heads(pool: asyncpg.Pool) -> bool:
    """Return whether the policies have checkpoints, so that later events count."""
    async with pool.acquire() as conn:
        return bool(await checkpoints.positions(conn, POLICIES.name))


async def count_enrolments(pool: asyncpg.Pool) -> dict[UUID, int]:
    """Return lead → number of its runs."""
    rows = await pool.fetch(
        "SELECT lead_id, count(*) AS runs FROM crm_events WHERE event_type = $1 GROUP BY lead_id",
        RunEnrolled.name,
    )
    return {row["lead_id"]: row["runs"] for row in rows}


def have_one_run_each(pool: asyncpg.Pool, leads: list[UUID]) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await count_enrolments(pool) == dict.fromkeys(leads, 1)

    return check


async def create_leads(harnesses: list[WorkflowHarness], rounds: int = 1) -> list[UUID]:
    leads = []
    for _ in range(rounds):
        for harness in harnesses:
            harness.world.now = datetime.now(UTC)
            leads.append(await harness.create_lead())
    return leads


async def test_two_processes_share_the_shards_and_hand_them_over(
    kafka_settings: Settings, pool: asyncpg.Pool, harnesses: list[WorkflowHarness]
) -> None:
    async with run_processes(kafka_settings, relay.work, workflows.work):
        await until(lambda: start_heads(pool))
        leads = await create_leads(harnesses, 2)
        async with run_processes(kafka_settings, workflows.work):
            leads += await create_leads(harnesses, 3)
            await until(have_one_run_each(pool, leads))
        leads += await create_leads(harnesses, 2)
        await until(have_one_run_each(pool, leads))


@pytest.mark.kill
async def test_processes_that_are_killed_lose_and_repeat_nothing(
    kafka_settings: Settings, pool: asyncpg.Pool, harnesses: list[WorkflowHarness]
) -> None:
    leads: list[UUID] = []
    async with run_processes(kafka_settings, relay.work):
        processes = [ForkedProcess("workflows", kafka_settings) for _ in range(2)]
        for process in processes:
            await process.start()
        try:
            await until(lambda: start_heads(pool))
            for number in range(4):
                leads += await create_leads(harnesses, 2)
                killed = processes[number % 2]
                killed.kill()
                await killed.wait(20)
                processes[number % 2] = ForkedProcess("workflows", kafka_settings)
                await processes[number % 2].start()
            leads += await create_leads(harnesses)
            await until(have_one_run_each(pool, leads))
        finally:
            for process in processes:
                process.stop()
            await asyncio.gather(*(process.wait(30) for process in processes))


async def test_policies_go_on_after_a_new_generation_of_the_log(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool,
    harnesses: list[WorkflowHarness],
) -> None:  # fmt: skip
    async with run_processes(kafka_settings, relay.work, workflows.work):
        await until(lambda: start_heads(pool))
        leads = await create_leads(harnesses)
        await until(have_one_run_each(pool, leads))
        async with owner_pool.acquire() as conn:
            await begin_generation(conn, 5)
        leads += await create_leads(harnesses)
        await until(have_one_run_each(pool, leads))


async def test_policies_that_stand_still_are_not_ready(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool,
    harnesses: list[WorkflowHarness], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A lock keeps an enrolment waiting: no error is raised while the test lasts."""
    monkeypatch.setattr(standstill, "STANDSTILL_SECONDS", 1.0)
    monkeypatch.setattr(standstill_report, "LOOK_SECONDS", 0.2)
    async with (
        run_process(kafka_settings, relay.work),
        run_process(kafka_settings, workflows.work) as process,
        owner_pool.acquire() as owner,
    ):
        await until(lambda: start_heads(pool))
        await until(process.is_ready)
        await owner.execute("BEGIN; LOCK TABLE crm.commands IN EXCLUSIVE MODE")
        leads = await create_leads(harnesses[:1])
        await until(lambda: process.names("policy work stands still"))
        await owner.execute("ROLLBACK")
        await until(have_one_run_each(pool, leads))
        await until(process.is_ready)


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_the_lag_of_the_policies_is_a_metric(
    kafka_settings: Settings, pool: asyncpg.Pool, harnesses: list[WorkflowHarness]
) -> None:
    def count_seen() -> float:
        return sample("crm_policy_events_total", shards=POLICIES.name) or 0.0

    def count_acted() -> float:
        return sample("crm_policy_actions_total", policy="enrol") or 0.0

    # Earlier tests of the same process have counted too.
    seen_before, acted_before = count_seen(), count_acted()
    async with run_processes(kafka_settings, relay.work, workflows.work):
        await until(lambda: start_heads(pool))
        leads = await create_leads(harnesses)
        await until(have_one_run_each(pool, leads))
        await until(lambda: sample("crm_policy_lag_events", shards="0") == 0)
        await until(lambda: count_seen() - seen_before > len(leads))
    assert count_acted() - acted_before >= len(leads)
