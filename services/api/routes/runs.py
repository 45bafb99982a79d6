"""A lead's runs through workflows: shown, paused, resumed and stopped by the console."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from events.log import read
from events.record import Stream
from events.workflows import WorkflowDefined
from projections import deliveries, leads
from projections import runs as run_rows
from services.api.auth.callers import Reader, Writer, no_such
from services.api.context import core_of
from services.api.error_codes import NOT_FOUND, OF_LEAD, OF_RUN, refuses
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, written
from services.api.schemas.runs import LeadRuns, RunChanged, RunChangeSent, RunMove
from services.api.schemas.schema import LeadId
from services.application.rows import row_of
from services.application.runs import live_runs
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.deciders.runs import PauseRun, ResumeRun, StopRun

MOST_RUNS = 100
BY_A_PERSON = "stopped by a person"
_JOINED = ("definition_name", "definition_steps", "definition_exits", "definition_newest")

router = APIRouter(prefix="/api/leads/{lead_id}/workflow", tags=["workflows"])


@router.get(
    "", summary="A lead's runs", response_model=LeadRuns, responses=refuses(NOT_FOUND),
    dependencies=[Reached],
)  # fmt: skip
async def shown(request: Request, caller: Reader, lead_id: LeadId) -> Response:
    core = core_of(request)
    async with caller.transaction(core.engine) as conn:
        person = (await conn.execute(leads.person(caller.org_id, lead_id))).first()
        if person is None:
            raise no_such("lead")
        query = run_rows.of_leads(caller.org_id, person.members, MOST_RUNS)
        runs = [row._asdict() for row in (await conn.execute(query)).all()]
        actions: list[dict[str, Any]] = []
        if runs:
            found = await conn.execute(deliveries.of_run(caller.org_id, runs[0]["id"]))
            actions = [row._asdict() for row in found.all()]
    whole = None
    if runs:
        definition = _definition(runs[0])
        if runs[0]["definition_version"] != runs[0]["definition_newest"]:
            definition |= await _pinned(core.pool, runs[0])
        whole = {**_plain(runs[0]), "definition": definition, "actions": actions}
    listed = [{**_plain(run), "definition_name": run["definition_name"]} for run in runs]
    return answered({"workflow": whole, "runs": listed})


@router.patch(
    "", summary="Pause, resume or stop a run", response_model=RunChanged,
    responses=refuses(OF_LEAD, OF_RUN), dependencies=[Once],
)  # fmt: skip
async def change(
    request: Request,
    caller: Writer,
    lead_id: LeadId,
    sent: Annotated[Taken[RunChangeSent], Depends(Takes(RunChangeSent))],
) -> Response:
    body = sent.said
    property_id = await caller.property_of_lead(core_of(request), lead_id)

    async def work(uow: UnitOfWork) -> Answer:
        run_id = body.run_id or await _newest_live(uow, await uow.known_as(lead_id))
        at, reason = uow.scope.at, body.reason or None
        match body.action:
            case RunMove.PAUSE:
                await uow.do(PauseRun(run_id, lead_id, at, reason, paused_by=caller.id))
            case RunMove.RESUME:
                await uow.do(ResumeRun(run_id, lead_id, at, resumed_by=caller.id))
            case RunMove.STOP:
                await uow.do(StopRun(run_id, lead_id, reason or BY_A_PERSON, stopped_by=caller.id))
        recorded_events = await uow.history(Stream("run", run_id))
        return {"success": True, "workflow": row_of(run_rows.projection, run_id, recorded_events)}

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


async def _newest_live(uow: UnitOfWork, lead_id: UUID) -> UUID:
    """Raises `Refused` where every run has ended, or there was none."""
    for run_id in await live_runs(uow, lead_id):
        return run_id
    raise Refused("no_live_run", "the lead goes through no workflow now", 404)


async def _pinned(pool: asyncpg.Pool, run: dict[str, Any]) -> dict[str, Any]:
    """The definition's version that a run began with, which the table shows no more."""
    async with pool.acquire() as conn:
        recorded_events = await read.streams(conn, [Stream("definition", run["workflow_id"])])
    for recorded in recorded_events:
        event = recorded.event
        if isinstance(event, WorkflowDefined) and (
            event.definition_version == run["definition_version"]
        ):
            return {
                "name": event.display_name,
                "steps": [step.model_dump(mode="json") for step in event.steps],
                "exit_conditions": [status.value for status in event.exit_conditions],
            }
    return {}


def _definition(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": run["workflow_id"],
        "name": run["definition_name"],
        "steps": run["definition_steps"],
        "exit_conditions": run["definition_exits"],
    }


def _plain(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name not in _JOINED}
