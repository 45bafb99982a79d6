"""Whatever records arrive, in whatever batches, each policy acts once for an event."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.log.sequencer import LogState
from events.workflows import ExitEvent
from projections.engine.live import Engine
from services.deciders.runs import RunStatus
from services.workflows import policy_pipeline
from services.workflows.policies.catalog import CATALOG
from services.workflows.policy_pipeline import PolicyPipeline
from services.workflows.policy_runner import PolicyRunner
from tests.replay_determinism.delivery import (
    EVERY_SHARD,
    FROM_LOG,
    DeliveryPlan,
    delivery_plans,
    make_bus,
)
from tests.services.application.workflow_harness import WorkflowHarness, wait
from tests.services.workflows.policy_bus import WorldClock, open_policies
from tests.services.workflows.policy_histories import append, enrolments, replied
from tests.world import World, make_world

PROPERTIES = 3


class LeadStep(NamedTuple):
    """A new lead of a property, or a reply of the lead that was captured before."""

    property_index: int
    is_reply: bool


steps = st.builds(LeadStep, st.integers(0, PROPERTIES - 1), st.booleans())


@pytest.fixture
async def harnesses(pool: asyncpg.Pool) -> list[WorkflowHarness]:
    """Create properties with two workflows each: a reply ends the runs of the first one."""
    world = await make_world(pool, properties=PROPERTIES)
    harnesses = [WorkflowHarness(World(pool, world.org_id, [key])) for key in world.properties]
    for harness in harnesses:
        await harness.create_workflow(wait("a", 1_000), exit_events=(ExitEvent.REPLY_RECEIVED,))
        await harness.create_workflow(wait("b", 1_000))
    return harnesses


@given(
    st.lists(steps, min_size=3, max_size=15),
    delivery_plans,
    st.sampled_from([1, 3, policy_pipeline.BATCH_EVENTS]),
)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_runs_start_and_end_once_whatever_is_delivered(
    pool: asyncpg.Pool,
    harnesses: list[WorkflowHarness],
    history: Sequence[LeadStep],
    plan: DeliveryPlan,
    batch_events: int,
) -> None:
    await open_policies(harnesses[0].world)  # events of earlier examples do not count
    leads = await _append(harnesses, history)
    await harnesses[0].world.number()

    async def make_engine(pool: asyncpg.Pool, state: LogState) -> Engine:
        runner = PolicyRunner(pool, WorldClock(harnesses[0].world), CATALOG)
        engine = Engine(PolicyPipeline(runner, state.generation), "simulated")
        await engine.own(EVERY_SHARD)
        return engine

    with pytest.MonkeyPatch.context() as small:
        small.setattr(policy_pipeline, "BATCH_EVENTS", batch_events)
        await (await make_bus(pool, make_engine)).deliver(plan)
        await harnesses[0].world.number()
        await (await make_bus(pool, make_engine)).deliver(FROM_LOG)
    for lead, (index, has_replied) in leads.items():
        harness = harnesses[index]
        started = await enrolments(harness, lead)
        assert len({run.definition_id for run in started}) == len(started) == 2
        statuses = [(await harness.load_run(run.run_id)).status for run in started]
        first = RunStatus.STOPPED if has_replied else RunStatus.ACTIVE
        assert statuses == [first, RunStatus.ACTIVE]
    assert await harnesses[0].world.count("crm.policy_failures") == 0


async def _append(
    harnesses: Sequence[WorkflowHarness], history: Sequence[LeadStep]
) -> dict[UUID, tuple[int, bool]]:
    """Append the history; return lead → its property, and whether it has replied."""
    last: dict[int, UUID] = {}
    leads: dict[UUID, tuple[int, bool]] = {}
    for index, is_reply in history:
        harness, lead = harnesses[index], last.get(index)
        if is_reply and lead is not None:
            await append(harness, *replied(lead))
            leads[lead] = (index, True)
        else:
            last[index] = lead = await harness.create_lead()
            leads[lead] = (index, False)
    return leads
