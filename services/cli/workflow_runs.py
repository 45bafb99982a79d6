"""The reads and changes of `crm workflow`: definitions and runs, decided from the log."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from uuid_utils.compat import uuid7

from events.event import Event
from events.log import read
from events.record import Stream
from projections import runs as run_rows
from services.application.command_handler import transact
from services.application.enrolment import start_by_hand
from services.application.rows import build_row
from services.application.run_moves import MAX_RUNS, MoveRequest, move_runs, preview_move
from services.application.stuck_runs import HINTS, StuckCode, list_stuck_runs, repair_run
from services.application.unit_of_work import UnitOfWork
from services.application.workflow_simulation import simulate
from services.cli.operator_scope import find_scope
from services.deciders import runs
from services.deciders.decider import Refused
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure
from services.workflows import policy_failures

T = TypeVar("T")
APPLICATION = "crm workflow"
POLICY_HINT = (
    "repair what the reason names, then `crm policy retry EVENT`; see `crm policy failures`"
)


async def execute(stream: Stream, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    """Run `work` in the property of an entity, as the operator. Raise `Failure` if refused."""
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        scope = await find_scope(conn, stream)
        return (await transact(conn, scope, work)).result
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()


async def change_run(
    run_id: UUID, act: Callable[[UnitOfWork, UUID], Awaitable[Any]]
) -> dict[str, Any]:
    """Let `act` change a run of a lead; return the row of the run."""

    async def work(uow: UnitOfWork) -> dict[str, Any]:
        run = await uow.load(runs.decider, run_id)
        if run.lead_id is None:
            raise Refused("unknown_subject", f"there is no run {run_id}", 404)
        await act(uow, run.lead_id)
        return await _row(uow, run_id)

    return await execute(Stream("run", run_id), work)


async def start_run(definition_id: UUID, lead_id: UUID, step_number: int) -> dict[str, Any]:
    start_id = uuid7()

    async def work(uow: UnitOfWork) -> dict[str, Any]:
        run_id = await start_by_hand(
            uow, definition_id, lead_id, start_id=start_id, step_number=step_number
        )
        return await _row(uow, run_id)

    return await execute(Stream("definition", definition_id), work)


async def move(request: MoveRequest, *, is_preview: bool) -> list[dict[str, Any]]:
    """Move all live runs, in transactions of 1,000; return the counts by step."""
    stream = Stream("definition", request.definition_id)
    if is_preview:
        counts = await execute(stream, lambda uow: preview_move(uow, request))
        return [count._asdict() for count in counts]
    totals: dict[tuple[int, str, str | None], int] = {}
    while True:
        counts = await execute(stream, lambda uow: move_runs(uow, request))
        for *key, number in counts:
            totals[tuple(key)] = totals.get(tuple(key), 0) + number  # type: ignore[index, arg-type]
        if sum(count.runs for count in counts) < MAX_RUNS:
            break
    names = ("from_version", "from_step", "to_step", "runs")
    return [dict(zip(names, (*key, number), strict=True)) for key, number in totals.items()]


async def simulate_workflow(
    definition_id: UUID, lead_id: UUID, at: datetime | None
) -> list[dict[str, Any]]:
    async def work(uow: UnitOfWork) -> list[dict[str, Any]]:
        steps = await simulate(uow, definition_id, lead_id, at or uow.scope.at)
        return [asdict(step) for step in steps]

    return await execute(Stream("definition", definition_id), work)


async def list_stuck(property_id: UUID | None) -> list[dict[str, Any]]:
    """Return the runs that make no progress, and the policies that failed, with what to do."""
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        found = await list_stuck_runs(conn, datetime.now(UTC), property_id)
        properties = None if property_id is None else [property_id]
        failures = await policy_failures.list_failures(conn, properties)
    finally:
        await conn.close()
    return [
        *({**run._asdict(), "hint": HINTS[StuckCode(run.code)]} for run in found),
        *(
            {
                "run_id": None, "event_id": failure.event_id, "lead_id": failure.lead_id,
                "code": f"policy_{failure.policy}", "since": failure.first_failed_at,
                "reason": f"{failure.reason}: {failure.detail}", "attempts": failure.attempts,
                "hint": POLICY_HINT,
            }
            for failure in failures
        ),
    ]  # fmt: skip


async def list_workflows(property_id: UUID) -> list[dict[str, Any]]:
    """Return the definitions of a property with the number of runs that have not ended."""
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        rows = await conn.fetch(
            "SELECT d.id, d.name, d.trigger_on, d.version, d.is_active, count(r.id) AS live_runs "
            "FROM public.workflow_definitions d LEFT JOIN public.lead_workflows r "
            "ON r.workflow_id = d.id AND r.status IN ('active', 'paused') "
            "WHERE d.property_id = $1 GROUP BY d.id ORDER BY d.name, d.id",
            property_id,
        )
    finally:
        await conn.close()
    return [dict(row) for row in rows]


async def show_run(run_id: UUID) -> list[dict[str, Any]]:
    """Return the events of a run, the oldest first. Raise `Failure` if there is no such run."""
    conn = await connect(DatabaseSettings(), APPLICATION)
    try:
        history = await read.streams(conn, [Stream("run", run_id)])
    finally:
        await conn.close()
    if not history:
        raise Failure(f"there is no run {run_id}")
    return [
        {
            "occurred_at": recorded.occurred_at, "event": recorded.event.name,
            "actor": recorded.actor,
            "details": recorded.event.model_dump(mode="json", exclude_none=True)
            if isinstance(recorded.event, Event) else {},
        }
        for recorded in history
    ]  # fmt: skip


async def repair(run_id: UUID) -> dict[str, Any]:
    async def work(uow: UnitOfWork) -> dict[str, Any]:
        due_at = await repair_run(uow, run_id)
        return {"run_id": run_id, "due_at": due_at}

    return await execute(Stream("run", run_id), work)


async def _row(uow: UnitOfWork, run_id: UUID) -> dict[str, Any]:
    row = build_row(run_rows.projection, run_id, await uow.history(Stream("run", run_id)))
    return row or {"id": run_id}
