"""The core's own timers: the bare queue, and runs of workflows that the worker moves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID, uuid5

import asyncpg

from benchmarks.timers.contender import (
    CREATE_ROWS,
    POLL_SECONDS,
    Tally,
    Timer,
    count_bench_rows,
)
from benchmarks.workload import Organization, insert_host_rows, make_organization
from events.event import Event
from events.leads import LeadCaptured
from events.log import timers
from events.log.append import append
from events.log.connection import Connection
from events.log.timers import DueTimer, PropertyTaken, TimerBacklog
from events.record import Cause, NewEvent
from events.runs import RunEnrolled
from events.timers import TimerKind
from events.workflows import Step, StepAction, WorkflowDefined
from services.application.unit_of_work import UnitOfWork
from services.runtime.database import pooled
from services.runtime.garbage_collection import collect_rarely
from services.runtime.settings import Settings
from services.workflows import run_timers
from services.workflows.timer_worker import RETRY_ERRORS, TimerReport

PROPERTIES = 24
NAMESPACE = UUID("5a7c1a52-6f0e-4c39-9c9a-6c1f3f0f2f11")
CAUSE = Cause(actor="benchmark")
APPEND_EVENTS = 2_000
MONTH_HOURS = 720.0


class BareQueue:
    """Timers of 24 properties; a batch is claimed, one row each is inserted, and they are removed.

    It is the queue alone: no event is read, decided or appended.
    """

    def __init__(self, pool: asyncpg.Pool, organization: Organization) -> None:
        self.tally = Tally(0)
        self._pool, self._organization = pool, organization

    async def schedule(self, timers_to_set: Sequence[Timer]) -> None:
        properties = self._organization.properties
        await self._pool.copy_records_to_table(
            "timers", schema_name="crm",
            columns=("kind", "entity_id", "org_id", "property_id", "due_at", "queue_at"),
            records=[
                (TimerKind.RUN, UUID(int=number), self._organization.org_id,
                 properties[number % PROPERTIES], due := _instant(due_at), due)
                for number, due_at in timers_to_set
            ],
        )  # fmt: skip

    async def leave_dead_rows(self, count: int) -> None:
        await self._pool.execute(
            "INSERT INTO crm.timers (kind, entity_id, org_id, property_id, due_at, queue_at) "
            "SELECT 'run', gen_random_uuid(), $1, $2, '2020-01-01', '2020-01-01' "
            "FROM generate_series(1, $3::bigint)",
            self._organization.org_id,
            self._organization.properties[0],
            count,
        )
        await self._pool.execute("DELETE FROM crm.timers WHERE due_at = '2020-01-01'")

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        worker = asyncio.create_task(self._work(TimerBacklog(TimerKind.RUN)))
        try:
            yield
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    async def _work(self, backlog: TimerBacklog) -> None:
        while True:
            try:
                done = await self._do_batch(backlog)
            except (*RETRY_ERRORS, PropertyTaken):
                continue
            self.tally.add(done)
            if not done:
                await asyncio.sleep(POLL_SECONDS)

    async def _do_batch(self, backlog: TimerBacklog) -> list[float]:
        """Do one batch; return the due times of its timers."""
        now = datetime.now(UTC)
        async with self._pool.acquire() as pooled_conn:
            conn = cast("asyncpg.Connection", pooled_conn)
            if (batch := backlog.take()) is None:
                await backlog.look(conn, now)
                batch = backlog.take()
            if batch is None:
                return []
            async with conn.transaction():
                claimed = await timers.claim(conn, TimerKind.RUN, *batch, now)
                await conn.execute(
                    "INSERT INTO bench_rows (timer) SELECT * FROM unnest($1::bigint[])",
                    [timer.entity_id.int for timer in claimed],
                )
                await timers.remove(conn, claimed)
        return [timer.due_at.timestamp() for timer in claimed]

    async def count_rows(self, conn: Connection) -> tuple[int, int]:
        return await count_bench_rows(conn)


class RunQueue(BareQueue):
    """Runs that wait for a step: a timer causes the event `run.step_reached`, and waits again.

    The worker is the one of the process `workflows`: it reads the run, its definition, its lead
    and its property, checks the exits, decides, and appends. As there, garbage is collected rarely.
    """

    async def schedule(self, timers_to_set: Sequence[Timer]) -> None:
        at = datetime.now(UTC) - timedelta(seconds=1)
        events: list[NewEvent] = []
        for number, due_at in timers_to_set:
            lead_id, property_id = uuid5(NAMESPACE, f"lead/{number}"), self._property(number)
            enrolled = RunEnrolled(
                run_id=uuid5(NAMESPACE, f"run/{number}"), lead_id=lead_id,
                definition_id=_definition_of(property_id), definition_version=1,
                trigger="lead_created", reentry_key="once", step_number=0,
                next_action_at=_instant(due_at),
            )  # fmt: skip
            captured = LeadCaptured(lead_id=lead_id, first_name="Ada", source="Google")
            events += [self._new(event, property_id, at) for event in (captured, enrolled)]
        await self._append(events)

    async def define_workflows(self) -> None:
        """Define one workflow for each property, with two steps that only wait."""
        at = datetime.now(UTC) - timedelta(minutes=1)
        steps = tuple(
            Step(id=key, delay_hours=MONTH_HOURS, action=StepAction.WAIT) for key in ("a", "b")
        )
        await self._append([
            self._new(
                WorkflowDefined(
                    definition_id=_definition_of(property_id), definition_version=1,
                    display_name="Wait", trigger_on="lead_created", steps=steps,
                    exit_conditions=(),
                ), property_id, at,
            )
            for property_id in self._organization.properties
        ])  # fmt: skip

    async def _work(self, backlog: TimerBacklog) -> None:
        collect_rarely()
        moved: list[float] = []

        async def move(uow: UnitOfWork, timer: DueTimer) -> TimerReport:
            moved.append(timer.due_at.timestamp())
            return await run_timers.move_run(uow, timer)

        worker = replace(run_timers.run_worker(self._pool), move=move)
        while True:
            moved.clear()
            try:
                count = await worker.move_due(backlog, datetime.now(UTC))
            except RETRY_ERRORS:
                continue
            self.tally.add(moved)
            if not count:
                await asyncio.sleep(POLL_SECONDS)

    async def count_rows(self, conn: Connection) -> tuple[int, int]:
        row = await conn.fetchrow(
            "SELECT count(*), count(*) FILTER (WHERE rows > 1) FROM (SELECT count(*) AS rows "
            "FROM crm_events WHERE event_type = 'run.step_reached' GROUP BY entity_id) AS _"
        )
        return (0, 0) if row is None else (row[0], row[1])

    def _property(self, number: int) -> UUID:
        return self._organization.properties[number % PROPERTIES]

    def _new(self, event: Event, property_id: UUID, at: datetime) -> NewEvent:
        event_id = uuid5(NAMESPACE, f"{event.name}/{event.stream_id}")
        return NewEvent(event_id, event, self._organization.org_id, property_id, at, CAUSE)

    async def _append(self, events: Sequence[NewEvent]) -> None:
        async with self._pool.acquire() as conn:
            for start in range(0, len(events), APPEND_EVENTS):
                async with conn.transaction():
                    batch = events[start : start + APPEND_EVENTS]
                    await append(cast("asyncpg.Connection", conn), batch, expected={})


def _definition_of(property_id: UUID) -> UUID:
    return uuid5(NAMESPACE, f"definition/{property_id}")


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@asynccontextmanager
async def open_bare(settings: Settings) -> AsyncIterator[BareQueue]:
    """Open the bare queue in a migrated database."""
    async with _prepared(settings) as (pool, organization):
        yield BareQueue(pool, organization)


@asynccontextmanager
async def open_runs(settings: Settings) -> AsyncIterator[RunQueue]:
    """Open the queue of runs in a migrated database, and define their workflows."""
    async with _prepared(settings) as (pool, organization):
        queue = RunQueue(pool, organization)
        await queue.define_workflows()
        yield queue


@asynccontextmanager
async def _prepared(settings: Settings) -> AsyncIterator[tuple[asyncpg.Pool, Organization]]:
    organization = make_organization(1, PROPERTIES)
    async with pooled(settings, "bench timers", role=None, size=2) as pool:
        await pool.execute(CREATE_ROWS)
        async with pool.acquire() as conn:
            await insert_host_rows(cast("asyncpg.Connection", conn), organization)
        yield pool, organization
