"""Many runs whose timers are due at once, and many that wait while their definitions change."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from events.event import Event
from events.log.timers import TimerBacklog
from events.runs import RunEnrolled
from events.timers import TimerKind
from events.workflows import Step, WorkflowActivated, WorkflowDeactivated, WorkflowDefined
from services.application.command_handler import transact
from services.application.run_moves import MAX_RUNS, MoveRequest, StepCount, move_runs, preview_move
from services.application.unit_of_work import UnitOfWork
from services.workflows.run_timers import run_worker
from tests.services.application.workflow_harness import HOUR, WorkflowHarness, make_harness, wait
from tests.world import World, make_world

EVENTS_AT_ONCE = 1_000
PROPERTIES = 5
DEFINITIONS = 10


async def append_all(
    world: World, events: Sequence[Event], property_id: UUID | None = None
) -> None:
    """Append events, in transactions of 1,000."""
    for start in range(0, len(events), EVENTS_AT_ONCE):
        await world.append(*(
            world.new(event, at=world.now, property_id=property_id)
            for event in events[start : start + EVENTS_AT_ONCE]
        ))  # fmt: skip


def defined(definition_id: UUID, version: int, *steps: Step) -> WorkflowDefined:
    return WorkflowDefined(
        definition_id=definition_id, definition_version=version, display_name="Flow",
        trigger_on="lead_created", steps=steps, exit_conditions=(),
    )  # fmt: skip


def enrolled(definition_id: UUID, due_at: datetime) -> RunEnrolled:
    return RunEnrolled(
        run_id=uuid4(), lead_id=uuid4(), definition_id=definition_id, definition_version=1,
        trigger="lead_created", reentry_key="once", next_action_at=due_at,
    )  # fmt: skip


async def check_timers_due_at_once(pool: asyncpg.Pool, count: int) -> None:
    """Let two workers do `count` timers of one second, and check that each was done once, in order.

    The order is that of the due times in each property.
    """
    world = await make_world(pool, properties=PROPERTIES)
    due_at = world.now + HOUR
    expected: dict[UUID, list[UUID]] = {}
    for property_id in world.properties:
        flow = uuid4()
        await append_all(world, [defined(flow, 1, wait("a"))], property_id)
        runs = [
            enrolled(flow, due_at + timedelta(microseconds=number))
            for number in range(count // PROPERTIES)
        ]
        await append_all(world, runs, property_id)
        expected[property_id] = [event.run_id for event in runs]
    now = due_at + timedelta(seconds=1)

    async def work() -> None:
        worker, backlog = run_worker(pool), TimerBacklog(TimerKind.RUN)
        while await pool.fetchval("SELECT EXISTS (SELECT FROM crm.timers)"):
            await worker.move_due(backlog, now)

    await asyncio.gather(work(), work())
    done: dict[UUID, list[UUID]] = defaultdict(list)
    for row in await pool.fetch(
        "SELECT property_id, entity_id FROM crm_events WHERE event_type = 'run.step_reached' "
        "ORDER BY seq"
    ):
        done[row["property_id"]].append(row["entity_id"])
    assert done == expected


async def check_edits_while_leads_wait(pool: asyncpg.Pool, leads: int) -> None:
    """Edit, reorder and deactivate ten definitions in which leads wait, and move the runs of one.

    Each run finishes in its own version; the moved ones as the preview counts them.
    """
    harness = await make_harness(pool)
    world, flows = harness.world, [uuid4() for _ in range(DEFINITIONS)]
    runs: dict[UUID, list[UUID]] = {}
    for flow in flows:
        active = WorkflowActivated(definition_id=flow)
        await append_all(world, [defined(flow, 1, wait("a"), wait("b")), active])
        events = [enrolled(flow, world.now + HOUR) for _ in range(leads // DEFINITIONS)]
        await append_all(world, events)
        runs[flow] = [event.run_id for event in events]
    assert await harness.move(HOUR) == leads
    for number, flow in enumerate(flows):
        await append_all(world, [defined(flow, 2, wait("b"), wait("a"), wait("c"))])
        await append_all(world, [defined(flow, 3, wait("d"))])
        if number % 2:
            await append_all(world, [WorkflowDeactivated(definition_id=flow)])
    moved = flows[0]
    request = MoveRequest(moved, to_version=2)
    preview = await _count(harness, request, is_preview=True)
    assert preview == {(1, "b", "b"): len(runs[moved])}
    assert await _count(harness, request, is_preview=False) == preview
    while await harness.timers():
        assert await harness.move(HOUR)
    paths = await _read_paths(pool)
    for flow in flows:
        path = ["a", "b", "a", "c"] if flow == moved else ["a", "b"]
        assert {tuple(paths[run]) for run in runs[flow]} == {tuple(path)}
    ended = "crm_events WHERE event_type = 'run.completed'"
    assert await world.count(ended) == leads


async def _count(
    harness: WorkflowHarness, request: MoveRequest, *, is_preview: bool
) -> dict[tuple[int, str, str | None], int]:
    """Return the counts of a preview, or of a move of all runs."""
    act = preview_move if is_preview else move_runs
    totals: dict[tuple[int, str, str | None], int] = defaultdict(int)

    async def work(uow: UnitOfWork) -> list[StepCount]:
        return await act(uow, request)

    while True:
        counts = (await transact(harness.world.pool, harness.scope, work)).result
        for count in counts:
            totals[count.from_version, count.from_step, count.to_step] += count.runs
        if is_preview or sum(count.runs for count in counts) < MAX_RUNS:
            return dict(totals)


async def _read_paths(pool: asyncpg.Pool) -> dict[UUID, list[str]]:
    """Return run → the ids of the steps that it did, in order."""
    paths: dict[UUID, list[str]] = defaultdict(list)
    for row in await pool.fetch(
        "SELECT entity_id, payload ->> 'step_id' AS step_id FROM crm_events "
        "WHERE event_type = 'run.step_reached' ORDER BY seq"
    ):
        paths[row["entity_id"]].append(row["step_id"])
    return paths
