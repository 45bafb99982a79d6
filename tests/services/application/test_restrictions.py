"""Restrictions on a real database: runs end, none starts, and no message leaves."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.application.command_handler import transact
from services.application.enrolment import start_by_hand
from services.application.restrictions import lift_restriction, restrict
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.merges import MergeLeads
from services.deciders.runs import RunStatus
from tests.services.application.workflow_harness import HOUR, make_harness, sms, wait
from tests.services.sender.outbox import make_outbox


async def change(harness: Any, use_case: Any, lead_id: UUID) -> UUID:
    async def work(uow: UnitOfWork) -> UUID:
        survivor: UUID = await use_case(uow, lead_id, reason="a dispute", by=None)
        return survivor

    return (await transact(harness.world.pool, harness.scope, work)).result


async def test_a_restriction_stops_the_runs_with_a_reason_and_none_starts(
    pool: asyncpg.Pool,
) -> None:
    harness = await make_harness(pool)
    await harness.create_template("hello")
    workflow = await harness.create_workflow(wait("a"), sms("b"))
    lead_id = await harness.create_lead()
    run_id = await harness.enrol(workflow, lead_id)
    assert await change(harness, restrict, lead_id) == lead_id
    assert (await harness.load_run(run_id)).status is RunStatus.STOPPED
    stopped = (await harness.events_of("run", run_id))[-1]
    assert stopped.model_dump()["code"] == "restricted"
    assert await harness.move(after=3 * HOUR) == 0

    async def start(uow: UnitOfWork) -> UUID:
        return await start_by_hand(uow, workflow, lead_id, start_id=uuid4())

    with pytest.raises(Refused, match="restricted"):
        await transact(pool, harness.scope, start)
    await change(harness, lift_restriction, lead_id)
    assert (await harness.load_run(run_id)).status is RunStatus.STOPPED
    await transact(pool, harness.scope, start)


async def test_the_runs_of_all_merged_leads_stop_and_the_survivor_is_marked(
    pool: asyncpg.Pool,
) -> None:
    harness = await make_harness(pool)
    workflow = await harness.create_workflow(wait("a"))
    loser, winner = await harness.create_lead(), await harness.create_lead(phone="+15125550124")
    await harness.execute(MergeLeads(loser, winner, harness.scope.at))
    run_id = await harness.enrol(workflow, winner)
    assert await change(harness, restrict, loser) == winner
    assert (await harness.load_run(run_id)).status is RunStatus.STOPPED
    assert (await harness.names_of(winner)).count("lead.restricted") == 1
    await change(harness, restrict, winner)
    assert (await harness.names_of(winner)).count("lead.restricted") == 1
    await harness.world.project()
    assert await harness.world.count("leads WHERE restricted_at IS NOT NULL") == 1


async def test_a_planned_message_to_a_restricted_lead_is_skipped_at_the_hand_over(
    pool: asyncpg.Pool,
) -> None:
    outbox = await make_outbox(pool)
    message = await outbox.plan(due_at=outbox.clock.now() + timedelta(minutes=1))
    await change(outbox, restrict, outbox.lead_id)
    outbox.pass_time(minutes=1)
    await outbox.send(message)
    assert await outbox.steps(message) == ["planned", "skipped restricted"]
    assert outbox.sms.requests == []
