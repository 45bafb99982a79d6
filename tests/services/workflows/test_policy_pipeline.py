"""Policies act once for each event: after duplicates, gaps, takeovers, crashes and failures."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.leads import LeadCaptured, LeadNoted
from events.log.generation import begin_generation
from events.record import Cause, NewEvent, Origin, RecordedEvent
from projections.engine import checkpoints
from projections.engine.checkpoints import FencingError
from services.application.policy_group import POLICIES
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.leads import NoteLead
from services.workflows import policy_failures, policy_pipeline, policy_retries
from services.workflows.policies.policy import Policy
from tests.services.application.workflow_harness import WorkflowHarness, make_harness, wait
from tests.services.workflows.policy_bus import EVERY_SHARD, PolicyBus, open_policies
from tests.stored_events import read_stored_events
from tests.world import World


@pytest.fixture
async def harness(pool: asyncpg.Pool) -> WorkflowHarness:
    return await make_harness(pool)


async def count_runs(world: World) -> int:
    return await world.count("crm_events WHERE event_type = 'run.enrolled'")


async def load_positions(world: World) -> dict[int, int]:
    async with world.pool.acquire() as conn:
        return await checkpoints.positions(conn, POLICIES.name)


async def test_policies_start_at_the_head_of_the_log(harness: WorkflowHarness) -> None:
    await harness.create_workflow(wait("rest"))
    await harness.create_lead()
    bus = await open_policies(harness.world)
    await harness.create_lead()
    await bus.fill()
    assert await count_runs(harness.world) == 1


async def test_policies_that_were_stopped_go_on_where_they_were(harness: WorkflowHarness) -> None:
    await harness.create_workflow(wait("rest"))
    await open_policies(harness.world)
    await harness.create_lead()
    again = await open_policies(harness.world, owner="two")
    await again.fill()
    assert await count_runs(harness.world) == 1


async def test_records_that_arrive_again_change_nothing(harness: WorkflowHarness) -> None:
    await harness.create_workflow(wait("rest"))
    bus = await open_policies(harness.world)
    await harness.create_lead()
    records = await bus.records()
    for _ in range(3):
        await bus.deliver(records)
    assert await count_runs(harness.world) == 1
    assert bus.engine.counts.duplicates == 2 * len(records)


async def test_events_whose_records_are_lost_are_read_from_the_log(
    harness: WorkflowHarness,
) -> None:
    await harness.create_workflow(wait("rest"))
    bus = await open_policies(harness.world)
    for _ in range(5):
        await harness.create_lead()
    *lost, last = await bus.records()
    await bus.deliver([last])
    assert bus.engine.counts.filled == len(lost) + 1
    assert await count_runs(harness.world) == 5


async def test_a_replaced_consumer_repeats_actions_without_effect(
    harness: WorkflowHarness,
) -> None:
    await harness.create_workflow(wait("rest"))
    replaced = await open_policies(harness.world)
    await harness.create_lead()
    new_owner = await open_policies(harness.world, owner="two")
    await new_owner.fill()
    with pytest.raises(FencingError):
        await replaced.deliver()
    assert replaced.engine.owned_shards == frozenset()
    assert await count_runs(harness.world) == 1


async def crash_before_the_checkpoint(bus: PolicyBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliver all, but lose the database after the actions, before the checkpoint moves."""

    async def fail(*_: Any) -> None:
        raise ConnectionResetError("the database is gone")

    with monkeypatch.context() as broken:
        broken.setattr(checkpoints, "advance", fail)
        with pytest.raises(ConnectionResetError):
            await bus.deliver()


async def test_a_crash_between_action_and_checkpoint_repeats_without_effect(
    harness: WorkflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.create_workflow(wait("rest"))
    await harness.create_workflow(wait("other"))
    bus = await open_policies(harness.world)
    await harness.create_lead()
    before = await load_positions(harness.world)
    await crash_before_the_checkpoint(bus, monkeypatch)
    assert await load_positions(harness.world) == before
    assert await count_runs(harness.world) == 2
    events = await harness.world.count("crm_events")
    await bus.engine.own(EVERY_SHARD)
    await bus.fill()
    assert await harness.world.count("crm_events") == events
    assert await load_positions(harness.world) != before


async def test_an_action_is_not_decided_again_although_the_world_has_changed(
    harness: WorkflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that would note the number of earlier notes would note another one."""

    async def note(uow: UnitOfWork, recorded: RecordedEvent, lead_id: UUID) -> None:
        notes = await uow.conn.fetchval(
            "SELECT count(*) FROM crm_events WHERE event_type = 'lead.noted'"
        )
        await uow.execute(NoteLead(lead_id, f"{notes} notes"))

    bus = await open_policies(harness.world, [Policy("note", (LeadCaptured,), find_lead, note)])
    await harness.create_lead()
    await crash_before_the_checkpoint(bus, monkeypatch)
    await bus.engine.own(EVERY_SHARD)
    await bus.fill()
    assert await load_notes(harness.world) == ["0 notes"]


async def find_lead(_uow: UnitOfWork, recorded: RecordedEvent) -> Sequence[UUID]:
    return [recorded.lead_id] if recorded.lead_id else []


async def load_notes(world: World) -> list[str]:
    rows = await read_stored_events(world.pool, "event_type = 'lead.noted'")
    return [row["payload"]["note"] for row in rows]


@pytest.mark.parametrize("origin", [Origin.IMPORT, Origin.ADOPT, Origin.CORRECTION])
async def test_what_is_history_starts_nothing(harness: WorkflowHarness, origin: Origin) -> None:
    await harness.create_workflow(wait("rest"))
    bus = await open_policies(harness.world)
    world = harness.world
    captured = world.captured()
    await world.append(
        NewEvent(uuid4(), captured, world.org_id, world.properties[0], world.now,
                 Cause("test", origin))
    )  # fmt: skip
    await bus.fill()
    assert await count_runs(world) == 0


class Broken:
    """A rule that cannot act while its cause is not repaired."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def act(self, uow: UnitOfWork, recorded: RecordedEvent, lead_id: UUID) -> None:
        if self.error is not None and "poison" in str(recorded.event):
            raise self.error
        await uow.execute(NoteLead(lead_id, "handled"))

    def policy(self) -> Policy:
        return Policy("broken", (LeadCaptured,), find_lead, self.act)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Refused("not_possible", "it cannot be done"), "not_possible"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError"),
        (asyncpg.NumericValueOutOfRangeError("out of range"), "NumericValueOutOfRangeError"),
        (asyncpg.QueryCanceledError("statement timeout"), "QueryCanceledError"),
        (asyncpg.LockNotAvailableError("lock timeout"), "LockNotAvailableError"),
    ],
)
async def test_an_event_that_a_policy_cannot_handle_is_stored_and_stops_nothing(
    harness: WorkflowHarness, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    monkeypatch.setattr(policy_failures, "RETRY_DELAYS", (timedelta(), timedelta()))
    rule, world = Broken(error), harness.world
    bus = await open_policies(world, [rule.policy()])
    poisoned = await harness.create_lead(first_name="poison")
    await harness.create_lead()
    await bus.deliver()
    assert await bus.engine.find_gaps() == {}
    assert await load_notes(world) == ["handled"]
    async with world.pool.acquire() as conn:
        [failure] = await policy_failures.list_failures(conn)
        assert await policy_failures.list_failures(conn, [uuid4()]) == []
    assert (failure.policy, failure.lead_id, failure.reason) == ("broken", poisoned, reason)
    assert await policy_failures.find_recent_problem(world.pool) is not None
    for _ in range(2):
        assert await policy_retries.retry_due(bus.runner) == 1
    assert await policy_retries.retry_due(bus.runner) == 0, "it is given up"
    async with world.pool.acquire() as conn:
        [failure] = await policy_failures.list_failures(conn)
        assert (failure.attempts, failure.next_attempt_at) == (3, None)
        rule.error = None
        assert await policy_failures.retry(conn, [failure.event_id]) == 1
    assert await policy_retries.retry_due(bus.runner) == 1
    assert await load_notes(world) == ["handled", "handled"]
    assert await world.count("crm.policy_failures") == 0


async def test_a_repetition_after_a_crash_does_not_lose_the_attempts_of_a_failure(
    harness: WorkflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_failures, "RETRY_DELAYS", (timedelta(), timedelta(hours=1)))
    bus = await open_policies(harness.world, [Broken(ValueError("no")).policy()])
    await harness.create_lead(first_name="poison")
    await crash_before_the_checkpoint(bus, monkeypatch)
    assert await policy_retries.retry_due(bus.runner) == 1
    await bus.engine.own(EVERY_SHARD)
    await bus.fill()
    async with harness.world.pool.acquire() as conn:
        [failure] = await policy_failures.list_failures(conn)
    assert failure.attempts == 2


async def test_an_event_of_a_newer_build_is_a_failure_of_the_policies_of_its_type(
    harness: WorkflowHarness, owner_pool: asyncpg.Pool
) -> None:
    await harness.create_workflow(wait("rest"))
    bus = await open_policies(harness.world)
    lead = await harness.create_lead()
    async with owner_pool.acquire() as conn, conn.transaction():
        await conn.execute("ALTER TABLE crm_events DISABLE TRIGGER ALL")
        await conn.execute("UPDATE crm_events SET schema_version = 99 WHERE lead_id = $1", lead)
        await conn.execute("ALTER TABLE crm_events ENABLE TRIGGER ALL")
    await harness.create_lead()
    await bus.deliver()
    assert await count_runs(harness.world) == 1
    async with harness.world.pool.acquire() as conn:
        [failure] = await policy_failures.list_failures(conn)
    assert (failure.policy, failure.reason, failure.lead_id) == ("enrol", "unreadable", lead)


async def test_a_fault_of_the_database_is_no_failure_of_a_policy(
    harness: WorkflowHarness,
) -> None:
    """It stops the consumer until it is repaired; then all is done."""
    rule = Broken(asyncpg.UndefinedTableError("no table"))
    bus = await open_policies(harness.world, [rule.policy()])
    await harness.create_lead(first_name="poison")
    with pytest.raises(asyncpg.UndefinedTableError):
        await bus.deliver()
    assert await harness.world.count("crm.policy_failures") == 0
    rule.error = None
    await bus.engine.own(EVERY_SHARD)
    await bus.fill()
    assert await load_notes(harness.world) == ["handled"]


async def test_a_new_generation_of_the_log_is_a_new_start_at_its_beginning(
    harness: WorkflowHarness, owner_pool: asyncpg.Pool
) -> None:
    """Events with earlier numbers may have been handled in the history that is lost."""
    await harness.create_workflow(wait("rest"))
    await open_policies(harness.world)
    numbered = await harness.create_lead()
    await harness.world.number()
    waiting = await harness.create_lead()
    async with owner_pool.acquire() as conn:
        await begin_generation(conn, 7)
    later = await harness.create_lead()
    bus = await open_policies(harness.world, owner="two")
    await bus.fill()
    enrolled = [lead for lead in (numbered, waiting, later)
                if "run.enrolled" in await harness.names_of(lead)]  # fmt: skip
    assert enrolled == [waiting, later]
    reached = await load_positions(harness.world)
    await open_policies(harness.world, owner="three")
    assert await load_positions(harness.world) == reached


async def test_the_checkpoints_move_in_batches(
    harness: WorkflowHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash repeats one batch at most."""
    monkeypatch.setattr(policy_pipeline, "BATCH_EVENTS", 2)
    rule, world = Broken(ConnectionResetError("gone")), harness.world
    bus = await open_policies(world, [rule.policy()])
    for name in ("Ada", "Eve", "Bob", "poison"):
        await harness.create_lead(first_name=name)
    with pytest.raises(ConnectionResetError):
        await bus.deliver()
    position = max((await load_positions(world)).values())
    rows = await read_stored_events(
        world.pool, "position > $1 AND event_type = 'lead.captured'", position
    )
    assert [row["payload"]["first_name"] for row in rows] == ["Bob", "poison"]


async def test_an_event_without_a_policy_only_moves_the_checkpoint(world: World) -> None:
    bus = await open_policies(world)
    lead = uuid4()
    await world.append(world.new(world.captured(lead)), world.new(LeadNoted(lead_id=lead, note="")))
    await bus.deliver()
    assert await bus.engine.find_gaps() == {}
    assert await world.count("crm.commands") == 0


@pytest.fixture
def world(harness: WorkflowHarness) -> World:
    return harness.world
