"""The simulation of a workflow: the same steps as a real run, and no event."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from events.consents import ConsentChannel
from services.application.command_handler import transact
from services.application.unit_of_work import UnitOfWork
from services.application.workflow_simulation import SimulatedStep, simulate
from services.deciders.consents import RecordConsent
from tests.services.application.workflow_harness import (
    WorkflowHarness,
    make_harness,
    sms,
    step,
    wait,
)

EVENING = datetime(2026, 3, 3, 1, 30, tzinfo=UTC)
"""20:30 in New York, 19:30 in Texas, where the lead's number is from."""


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    harness = await make_harness(pool)
    await harness.create_template("hello")
    return harness


async def run_simulation(
    harness: WorkflowHarness, definition_id: UUID, lead_id: UUID
) -> list[SimulatedStep]:
    async def work(uow: UnitOfWork) -> list[SimulatedStep]:
        return await simulate(uow, definition_id, lead_id, EVENING)

    before = await harness.world.count("crm_events")
    steps = (await transact(harness.world.pool, harness.scope, work)).result
    assert await harness.world.count("crm_events") == before
    return steps


async def test_each_step_has_its_times_and_the_rule_that_holds_its_message(
    harness: WorkflowHarness,
) -> None:
    lead = await harness.create_lead()
    flow = await harness.create_workflow(
        sms("now", 1), sms("late", 1), step("w", "wait_for_event", event="opt_out", limit_hours=8),
        step("b", "branch", conditions=[{"field": "email", "operator": "exists"}], then="end"),
        wait("rest", 1), step("end", "end"), is_active=False,
    )  # fmt: skip
    steps = await run_simulation(harness, flow, lead)
    assert [(found.step_id, found.outcome, found.choice) for found in steps] == [
        ("now", "planned", None), ("late", "planned", None), ("w", "waiting", None),
        ("w", "waited", "timeout"), ("b", "done", "otherwise"), ("rest", "waited", None),
        ("end", "done", None),
    ]  # fmt: skip
    now, late = steps[:2]
    assert now.lead_time == "2026-03-02 20:30 America/Chicago"
    assert now.property_time == "2026-03-02 21:30 America/New_York"
    assert (now.rule, now.sent_at) == (None, now.at)
    assert late.rule == "quiet_hours"
    assert late.sent_at == datetime(2026, 3, 3, 14, 0, tzinfo=UTC), "8:00 in Texas"


async def test_a_message_that_cannot_be_sent_has_its_reason(harness: WorkflowHarness) -> None:
    await harness.create_template("named", "Dear {{last_name}}")
    lead = await harness.create_lead()
    await harness.execute(
        RecordConsent(
            lead, ConsentChannel.SMS, given=False, text="STOP", place="sms", at=harness.world.now
        )
    )
    flow = await harness.create_workflow(sms("a", slug="hello"), sms("b", slug="named"))
    first, second = await run_simulation(harness, flow, lead)
    assert (first.outcome, first.rule, first.sent_at) == ("skipped", "no_consent", None)
    assert second.outcome == "failed"
    assert second.detail is not None
    assert second.detail.startswith("missing_value: ")
