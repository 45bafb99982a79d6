"""`crm workflow`: seed workflows, simulate them, and move, restart and repair their runs."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from cyclopts import App, Parameter

from events.record import Cause
from services.application.command_handler import transact
from services.application.run_moves import MoveRequest, restart_run
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.application.workflows import SeedCounts, seed_property
from services.cli import workflow_runs
from services.deciders.decider import Refused
from services.deciders.runs import PauseRun, ResumeRun, StopRun
from services.host import load_property
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, print_json, print_rows

RUN = [
    "id", "lead_id", "workflow_id", "definition_version", "status", "current_step",
    "next_action_at", "stop_reason",
]  # fmt: skip
SIMULATED = [
    "step_number", "step_id", "action", "lead_time", "property_time", "outcome", "choice", "rule",
    "sent_at", "detail",
]  # fmt: skip
WORKFLOWS = ["id", "name", "trigger_on", "version", "is_active", "live_runs"]
STUCK = ["run_id", "code", "reason", "since", "attempts", "hint"]

app = App(
    name="workflow",
    help_epilogue=examples(
        "crm workflow seed PROPERTY_ID",
        "crm workflow list PROPERTY_ID",
        "crm workflow show RUN_ID",
        "crm workflow simulate DEFINITION_ID --lead LEAD_ID --at 2027-03-01T15:30:00Z",
        "crm workflow start DEFINITION_ID --lead LEAD_ID",
        "crm workflow move DEFINITION_ID --dry-run",
        "crm workflow move DEFINITION_ID --to-version 3 --step hello=greeting",
        "crm workflow pause RUN_ID --reason 'on the phone'",
        "crm workflow restart RUN_ID --step 2",
        "crm workflow stuck",
        "crm workflow repair RUN_ID",
    ),
    help_format="plaintext",
)


@app.command(name="seed")
def seed_(property_id: UUID, *, json: bool = False) -> None:
    """Add the standard workflows and templates that the property lacks, inactive."""
    counts = asyncio.run(_seed(property_id))
    summary = {"property_id": property_id, **counts._asdict()}
    if json:
        print_json(summary)
    else:
        print_rows([summary], ["property_id", "definitions", "templates"])


async def _seed(property_id: UUID) -> SeedCounts:
    conn = await connect(DatabaseSettings(), "crm workflow")
    try:
        host_property = await load_property(conn, property_id)
        scope = Scope(host_property.org_id, property_id, datetime.now(UTC), Cause("operator"))
        return (await transact(conn, scope, seed_property)).result
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()


@app.command(name="list")
def list_(property_id: UUID, *, json: bool = False) -> None:
    """List the workflows of a property, with the number of their runs that have not ended."""
    rows = asyncio.run(workflow_runs.list_workflows(property_id))
    print_rows(rows, WORKFLOWS, as_json=json)


@app.command
def show(run_id: UUID, *, json: bool = False) -> None:
    """Show what happened to a run, the oldest event first."""
    columns = ["occurred_at", "event", "actor", "details"]
    print_rows(asyncio.run(workflow_runs.show_run(run_id)), columns, as_json=json)


@app.command
def simulate(
    definition_id: UUID, *, lead: UUID, at: datetime | None = None, json: bool = False
) -> None:
    """Print every step for a lead with its times, and the rule that would hold its message.

    Nothing happens. The lead is taken as it is now.

    Parameters
    ----------
    at
        When the run would start; now if omitted. Without an offset it is UTC.
    """
    starts_at = at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
    steps = asyncio.run(workflow_runs.simulate_workflow(definition_id, lead, starts_at))
    print_rows(steps, SIMULATED, as_json=json)


@app.command
def start(definition_id: UUID, *, lead: UUID, step: int = 0, json: bool = False) -> None:
    """Start a run of an active workflow by hand, at a step counted from 0."""
    _print_run(asyncio.run(workflow_runs.start_run(definition_id, lead, step)), as_json=json)


@app.command
def pause(run_id: UUID, *, reason: str | None = None, json: bool = False) -> None:
    """Pause a run: the rest of its delay is kept."""

    async def act(uow: UnitOfWork, lead_id: UUID) -> None:
        await uow.execute(PauseRun(run_id, lead_id, uow.scope.at, reason))

    _print_run(asyncio.run(workflow_runs.change_run(run_id, act)), as_json=json)


@app.command
def resume(run_id: UUID, *, json: bool = False) -> None:
    """Resume a paused run with the rest of its delay."""

    async def act(uow: UnitOfWork, lead_id: UUID) -> None:
        await uow.execute(ResumeRun(run_id, lead_id, uow.scope.at))

    _print_run(asyncio.run(workflow_runs.change_run(run_id, act)), as_json=json)


@app.command
def stop(run_id: UUID, *, reason: str, json: bool = False) -> None:
    """Stop a run, active or paused."""

    async def act(uow: UnitOfWork, lead_id: UUID) -> None:
        await uow.execute(StopRun(run_id, lead_id, reason))

    _print_run(asyncio.run(workflow_runs.change_run(run_id, act)), as_json=json)


@app.command
def restart(run_id: UUID, *, step: int, reason: str | None = None, json: bool = False) -> None:
    """Let a run go on at once at a step, counted from 0. A message of it is sent again."""

    async def act(uow: UnitOfWork, lead_id: UUID) -> None:
        await restart_run(uow, run_id, lead_id, step, reason=reason)

    _print_run(asyncio.run(workflow_runs.change_run(run_id, act)), as_json=json)


@app.command
def move(
    definition_id: UUID,
    *,
    from_version: int | None = None,
    to_version: int | None = None,
    step: tuple[str, ...] = (),
    reason: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
) -> None:
    """Move the runs that have not ended to another version, and print the counts by step.

    Parameters
    ----------
    step
        OLD=NEW: the step at which the runs of a step go on, if its id has changed.
    to_version
        The newest version if omitted.
    dry_run
        Only count. Rows without `to_step` are runs that would stay as they are.
    """
    pairs = [pair.partition("=") for pair in step]
    if wrong := next((pair for pair, split in zip(step, pairs, strict=True) if not split[2]), None):
        raise Failure(f"{wrong!r} is not OLD=NEW: name the two step ids")
    mapping = {old: new for old, _, new in pairs}
    request = MoveRequest(definition_id, to_version, from_version, mapping, reason)
    counts = asyncio.run(workflow_runs.move(request, is_preview=dry_run))
    print_rows(counts, ["from_version", "from_step", "to_step", "runs"], as_json=json)


@app.command
def stuck(*, property: UUID | None = None, json: bool = False) -> None:  # noqa: A002
    """List the runs that make no progress, with the reason and what to do."""
    print_rows(asyncio.run(workflow_runs.list_stuck(property)), STUCK, as_json=json)


@app.command
def repair(run_id: UUID, *, json: bool = False) -> None:
    """Let the step of an active run be tried at once. Nothing is sent twice."""
    print_rows([asyncio.run(workflow_runs.repair(run_id))], ["run_id", "due_at"], as_json=json)


def _print_run(row: dict[str, Any], *, as_json: bool) -> None:
    print_rows([row], RUN, as_json=as_json)
