"""A state machine of runs, leads and definitions in the log, beside the model of `run_model.py`.

Hypothesis chooses the changes, and shortens a sequence that fails. After each change the log must
be the model. The rules of the machine are synchronous: its thread lets the event loop of the test
do the work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import reduce
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import asyncpg
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from events.event import Event
from events.leads import LeadStatus
from events.log import read
from events.record import Stream
from events.runs import RunConverted, RunStepReached, RunStopped
from events.workflows import ReentryRule, Step
from services.application.command_handler import transact
from services.application.enrolment import TriggerEvent, enrol
from services.application.merges import merge
from services.application.run_moves import MoveRequest, move_runs, preview_move, restart_run
from services.application.unit_of_work import UnitOfWork
from services.deciders import runs
from services.deciders.decider import Refused
from services.deciders.leads import ChangeStatus
from services.deciders.runs import LIVE, PauseRun, ResumeRun, Run, RunStatus, StopRun
from services.workflows.policies.exit import EXIT
from tests.services.application.workflow_harness import HOUR, make_harness, sms, wait
from tests.services.workflows.policy_bus import open_policies
from tests.services.workflows.run_model import (
    MESSAGES,
    USEFUL_HOURS,
    LeadModel,
    RunModel,
    VersionModel,
    WorkflowModel,
)

T = TypeVar("T")
Pair = tuple[LeadModel, UUID]
"""A lead of the model, and its id in the log."""
EXITS = (LeadStatus.LOST, LeadStatus.QUALIFIED, LeadStatus.LEASED)
STATUSES = (*EXITS, LeadStatus.CONTACTED)
MAX_LEADS = 4
VERSIONS = st.builds(
    VersionModel,
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(1, 5)),
        min_size=1, max_size=5, unique_by=lambda step: step[0],
    ).map(tuple),
    st.frozensets(st.sampled_from(EXITS), max_size=2),
)  # fmt: skip
NUMBERS = st.integers(0, 99)


def steps_of(version: VersionModel) -> tuple[Step, ...]:
    return tuple(
        sms(key, delay, useful_hours=USEFUL_HOURS) if key in MESSAGES else wait(key, delay)
        for key, delay in version.steps
    )


class RunMachine(RuleBasedStateMachine):
    """The runs of one workflow definition in a new property, beside their model."""

    leads: Bundle[Pair] = Bundle("leads")

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: asyncpg.Pool) -> None:
        super().__init__()
        self.loop, self.pool = loop, pool
        self.run_ids: list[UUID] = []
        self.lead_ids: list[UUID] = []
        self.lead_count = 0

    @initialize(version=VERSIONS)
    def define(self, version: VersionModel) -> None:
        async def work() -> None:
            await self.pool.execute("DELETE FROM crm.timers")
            self.harness = await make_harness(self.pool)
            await self.harness.create_template("hello")
            self.flow = await self.harness.create_workflow(
                *steps_of(version), **self._options(version)
            )
            self.bus = await open_policies(self.harness.world, [EXIT], owner=str(uuid4()))

        self._await(work())
        self.model = WorkflowModel(self.harness.world.now, [version])

    @precondition(lambda self: self.lead_count < MAX_LEADS)
    @rule(target=leads)
    def create_lead(self) -> Pair:
        lead = LeadModel(), self._await(self.harness.create_lead())
        self.lead_count += 1
        self.enrol(lead)
        return lead

    @rule(lead=leads)
    def enrol(self, lead: Pair) -> None:
        trigger = TriggerEvent("lead_created", uuid4(), self.harness.world.now)
        started: list[UUID] = []

        async def work(uow: UnitOfWork) -> None:
            started.append(await enrol(uow, self.flow, lead[1], trigger))

        refusal = self._transact(work)
        assert refusal == self.model.enrol(lead[0])
        if refusal is None:
            self.run_ids.append(started[-1])
            self.lead_ids.append(lead[1])

    @rule(quarters=st.integers(0, 200))
    def pass_time(self, quarters: int) -> None:
        """Let time pass while nobody works."""
        self.harness.world.now += quarters * HOUR / 4
        self.model.now = self.harness.world.now

    @rule(quarters=st.integers(0, 24))
    def work(self, quarters: int) -> None:
        self.pass_time(quarters)
        self._await(self.harness.move())
        self.model.work()

    @precondition(lambda self: self.run_ids)
    @rule(number=NUMBERS)
    def pause(self, number: int) -> None:
        run, run_id, lead_id = self._run(number)
        self._command(run, PauseRun(run_id, lead_id, self.harness.world.now))
        self.model.pause(run)

    @precondition(lambda self: self.run_ids)
    @rule(number=NUMBERS)
    def resume(self, number: int) -> None:
        run, run_id, lead_id = self._run(number)
        self._command(run, ResumeRun(run_id, lead_id, self.harness.world.now))
        self.model.resume(run)

    @precondition(lambda self: self.run_ids)
    @rule(number=NUMBERS)
    def stop(self, number: int) -> None:
        run, run_id, lead_id = self._run(number)
        self._command(run, StopRun(run_id, lead_id, "enough"))
        run.finish("stopped")

    @precondition(lambda self: self.run_ids)
    @rule(number=NUMBERS, step=st.integers(0, 5))
    def restart(self, number: int, step: int) -> None:
        run, run_id, lead_id = self._run(number)
        exists = step < len(self.model.version_of(run).steps)

        async def work(uow: UnitOfWork) -> None:
            await restart_run(uow, run_id, lead_id, step)

        expected = None if exists else "unknown_step"
        assert self._transact(work) == ("run_state" if run.end else expected)
        self.model.restart(run, step)

    @rule(version=VERSIONS)
    def edit(self, version: VersionModel) -> None:
        redefined = self.harness.redefine(self.flow, *steps_of(version), **self._options(version))
        self._await(redefined)
        if version != self.model.versions[-1]:
            self.model.versions.append(version)

    @rule(number=NUMBERS)
    def move(self, number: int) -> None:
        """Move the live runs to a version. The preview and the move count what the model does."""
        version = 1 + number % len(self.model.versions)
        request = MoveRequest(self.flow, to_version=version)
        counts: list[dict[tuple[int, str, str | None], int]] = []

        async def work(uow: UnitOfWork) -> None:
            preview, moves = await preview_move(uow, request), await move_runs(uow, request)
            counts.extend(
                {(row.from_version, row.from_step, row.to_step): row.runs for row in rows}
                for rows in (preview, moves)
            )

        assert self._transact(work) is None
        expected = self.model.count_moves(version)
        moved = {place: runs for place, runs in expected.items() if place[2] is not None}
        assert counts[-2:] == [expected, moved]
        self.model.move(version)

    @rule(lead=leads, status=st.sampled_from(STATUSES))
    def change_status(self, lead: Pair, status: LeadStatus) -> None:
        if lead[0].status is not LeadStatus.LEASED:
            self._await(self.harness.execute(ChangeStatus(lead[1], status)))
        self.model.change_status(lead[0], status)

    @rule()
    def see_changes(self) -> None:
        """Let the policies see what happened since they last looked."""
        self._await(self.bus.fill())
        self.model.see_changes()

    @precondition(lambda self: self.lead_count > 1)
    @rule(loser=consumes(leads), winner=leads)
    def merge(self, loser: Pair, winner: Pair) -> None:
        self.lead_count -= 1

        async def work(uow: UnitOfWork) -> None:
            await merge(uow, loser[1], winner[1], reason=None, by=None)

        assert self._transact(work) is None
        self.model.merge(loser[0], winner[0])

    @invariant()
    def the_log_is_the_model(self) -> None:
        if not self.run_ids:
            return
        histories, planned, timers = self._await(self._read_log())
        models = dict(zip(self.run_ids, self.model.runs, strict=True))
        assert timers == {run_id for run_id, run in models.items() if run.due is not None}
        for run_id, run in models.items():
            deliveries = compare(histories[run_id], run)
            assert deliveries <= planned, "a step has no message"
            planned -= deliveries
        assert not planned, "a message has no step"

    async def _read_log(self) -> tuple[dict[UUID, list[Event]], set[UUID], set[UUID]]:
        """Return the events of each run, the messages of the property and the timers of runs."""
        async with self.pool.acquire() as conn:
            streams = [Stream("run", run_id) for run_id in self.run_ids]
            recorded_events = await read.streams(conn, streams)
            rows = await conn.fetch(
                "SELECT entity_id FROM crm_events WHERE event_type = 'delivery.planned' "
                "AND property_id = $1", self.harness.property_id,
            )  # fmt: skip
            timers = await conn.fetch("SELECT entity_id FROM crm.timers WHERE kind = 'run'")
        histories: dict[UUID, list[Event]] = {run_id: [] for run_id in self.run_ids}
        for recorded in recorded_events:
            assert isinstance(recorded.event, Event)
            histories[recorded.event.stream_id].append(recorded.event)
        deliveries = [row["entity_id"] for row in rows]
        assert len(set(deliveries)) == len(deliveries)
        return histories, set(deliveries), {row["entity_id"] for row in timers}

    def _run(self, number: int) -> tuple[RunModel, UUID, UUID]:
        """Return a run of the model, its id and the id of its lead."""
        index = number % len(self.run_ids)
        return self.model.runs[index], self.run_ids[index], self.lead_ids[index]

    def _command(self, run: RunModel, command: object) -> None:
        """Execute the command. Only a run that has ended refuses it."""

        async def work(uow: UnitOfWork) -> None:
            await uow.execute(command)

        assert self._transact(work) == ("run_state" if run.end else None)

    def _transact(self, work: Callable[[UnitOfWork], Awaitable[object]]) -> str | None:
        """Do the work in one transaction; return the code of a refusal."""
        try:
            self._await(transact(self.pool, self.harness.scope, work))
        except Refused as refused:
            return refused.code
        return None

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    @staticmethod
    def _options(version: VersionModel) -> dict[str, Any]:
        return {
            "exit_conditions": tuple(sorted(version.exits)), "reentry": ReentryRule.AFTER_END,
        }  # fmt: skip


def compare(history: list[Event], run: RunModel) -> set[UUID]:
    """Compare a run of the log with its model; return the ids of its messages."""
    stored = reduce(runs.evolve, history, Run())
    assert (stored.status, stored.definition_version) == (run.status, run.version)
    if stored.status in LIVE:
        assert stored.step_number == run.step
        due = stored.next_action_at if stored.status is RunStatus.ACTIVE else None
        assert (due, stored.remaining_seconds) == (run.due, run.remaining)
    reached = [
        event for event in history
        if isinstance(event, RunStepReached) and event.step_id in MESSAGES
    ]  # fmt: skip
    sent = [event for event in reached if event.delivery_id is not None]
    assert [event.step_id for event in sent] == run.sent
    assert [event.step_id for event in reached if event.outcome == "skipped"] == run.skipped
    deliveries = {event.delivery_id for event in sent if event.delivery_id is not None}
    assert len(deliveries) == len(sent), "two steps share one message"
    match history[-1]:
        case RunConverted(status=status):
            assert status == run.end
        case RunStopped(code=code, reason=reason):
            assert reason
            assert (code or "stopped") == run.end
    return deliveries


async def run_machine(pool: asyncpg.Pool, walks: int, steps: int) -> None:
    """Let hypothesis run the machine in a thread, while this loop does the work of its rules."""
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(
        run_state_machine_as_test,
        cast("type[RuleBasedStateMachine]", lambda: RunMachine(loop, pool)),
        settings=settings(max_examples=walks, stateful_step_count=steps),
    )
