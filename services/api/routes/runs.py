"""Routes of a lead's workflow runs."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.log import read
from events.record import Stream
from events.workflows import WorkflowDefined
from projections import deliveries
from projections import runs as run_rows
from projections.workflows import build_step_row
from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import (
    ENROLMENT,
    NOT_FOUND,
    RUN,
    STEP,
    SUBJECT,
    TIME_ZONE,
    error_responses,
)
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import load_surviving_lead, property_of_lead
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas.runs import (
    RunAction,
    RunChangeRequest,
    RunListResponse,
    RunResponse,
    RunStartRequest,
)
from services.api.schemas.schema import LeadId
from services.application.enrolment import start_by_hand
from services.application.rows import build_row
from services.application.run_moves import restart_run
from services.application.runs import list_live_runs
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.runs import PauseRun, ResumeRun, StopRun

MAX_RUNS = 100
DEFAULT_STOP_REASON = "stopped by a person"
_DEFINITION_COLUMNS = (
    "definition_name", "definition_steps", "definition_exits", "definition_newest",
)  # fmt: skip

router = APIRouter(prefix="/api/leads/{lead_id}/workflow", tags=["workflows"])


@router.get(
    "", summary="List the workflow runs of a lead", response_model=RunListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_runs(request: Request, caller: ConsoleReader, lead_id: LeadId) -> Response:
    """Return all runs, newest first, and the newest one with its definition and actions."""
    context = context_of(request)
    actions: list[dict[str, Any]] = []
    async with read_as(context.pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        query = run_rows.of_leads(caller.org_id, lead["members"], MAX_RUNS)
        runs = [dict(row) for row in await conn.all(query)]
        if runs:
            query = deliveries.of_run(caller.org_id, runs[0]["id"])
            actions = [dict(row) for row in await conn.all(query)]
    newest = None
    if runs:
        definition = _newest_definition(runs[0])
        if runs[0]["definition_version"] != runs[0]["definition_newest"]:
            definition |= await _read_pinned_definition(context.pool, runs[0])
        newest = {**_run_columns(runs[0]), "definition": definition, "actions": actions}
    summaries = [{**_run_columns(run), "definition_name": run["definition_name"]} for run in runs]
    return json_response({"workflow": newest, "runs": summaries})


@router.post(
    "", status_code=201, summary="Start a run by hand", response_model=RunResponse,
    responses=error_responses(SUBJECT, ENROLMENT, STEP, TIME_ZONE),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def start_run(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[RunStartRequest], Depends(BodyParser(RunStartRequest))],
) -> Response:
    """Start a run of an active workflow, unless the lead is in one or has an exit status."""
    body = parsed.body
    property_id = await property_of_lead(context_of(request), caller, lead_id)
    start_id = uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        run_id = await start_by_hand(
            uow, body.definition_id, lead_id, start_id=start_id, step_number=body.step_number,
            enrolled_by=caller.id,
        )  # fmt: skip
        row = build_row(run_rows.projection, run_id, await uow.history(Stream("run", run_id)))
        return {"success": True, "workflow": row}

    return await execute_write(request, caller, property_id, parsed.raw, work, 201)


@router.patch(
    "", summary="Pause, resume, stop or restart a run", response_model=RunResponse,
    responses=error_responses(SUBJECT, RUN, STEP), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def update_run(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[RunChangeRequest], Depends(BodyParser(RunChangeRequest))],
) -> Response:
    body = parsed.body
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        run_id = body.run_id or await _find_newest_live_run(uow, lead_id)
        at, reason = uow.scope.at, body.reason or None
        match body.action:
            case RunAction.PAUSE:
                await uow.execute(PauseRun(run_id, lead_id, at, reason, paused_by=caller.id))
            case RunAction.RESUME:
                await uow.execute(ResumeRun(run_id, lead_id, at, resumed_by=caller.id))
            case RunAction.STOP:
                reason = reason or DEFAULT_STOP_REASON
                await uow.execute(StopRun(run_id, lead_id, reason, stopped_by=caller.id))
            case RunAction.RESTART:
                await restart_run(
                    uow, run_id, lead_id, body.step_number, reason=reason, moved_by=caller.id
                )
        row = build_row(run_rows.projection, run_id, await uow.history(Stream("run", run_id)))
        return {"success": True, "workflow": row}

    return await execute_write(request, caller, property_id, parsed.raw, work)


async def _find_newest_live_run(uow: UnitOfWork, lead_id: UUID) -> UUID:
    surviving_id = await uow.surviving_lead(lead_id)
    for run_id in await list_live_runs(uow, surviving_id):
        return run_id
    raise Refused(
        "no_live_run", f"lead {surviving_id} has no run that has not ended: nothing to change", 404
    )


async def _read_pinned_definition(pool: asyncpg.Pool, run: dict[str, Any]) -> dict[str, Any]:
    """Return the definition in the run's own version.

    A run keeps the version with which it began. The table contains the newest version only, so
    the older one is read from the log.
    """
    async with pool.acquire() as conn:
        recorded_events = await read.streams(conn, [Stream("definition", run["workflow_id"])])
    for recorded in recorded_events:
        event = recorded.event
        if isinstance(event, WorkflowDefined) and (
            event.definition_version == run["definition_version"]
        ):
            return {
                "name": event.display_name,
                "steps": [build_step_row(step) for step in event.steps],
                "exit_conditions": [status.value for status in event.exit_conditions],
            }
    return {}


def _newest_definition(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": run["workflow_id"],
        "name": run["definition_name"],
        "steps": run["definition_steps"],
        "exit_conditions": run["definition_exits"],
    }


def _run_columns(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name not in _DEFINITION_COLUMNS}
