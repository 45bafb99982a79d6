"""Routes of the runs of a property: listed, counted, stuck, and one with its history."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from events.event import Event
from events.log import read
from events.record import RecordedEvent, Stream
from projections import run_list
from projections.run_list import RunFilter
from projections.workflows import build_step_row
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import CURSOR, NOT_FOUND, error_responses
from services.api.message_items import build_message_items
from services.api.page_cursors import decode_cursor, encode_cursor
from services.api.problems import not_found
from services.api.property_lookup import require_property_row
from services.api.property_runs import (
    build_property_run,
    build_property_runs,
    content_of_run,
    load_definitions,
)
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.schema import BLANK_TO_NONE
from services.api.schemas.workflow_runs import (
    PropertyRunListResponse,
    RunCountResponse,
    RunDetailResponse,
    RunState,
    StuckRunListResponse,
)
from services.application.message_states import build_state
from services.application.stuck_runs import HINTS, StuckCode, StuckRun, list_stuck_runs
from services.deciders.runs import LIVE, RunStatus

PAGE_SIZE, MAX_PAGE_SIZE = 50, 200
MAX_STUCK = 200
MAX_STEP = 1_000
STATUSES: dict[str, tuple[str, ...]] = {
    "waiting": tuple(status.value for status in LIVE),
    "finished": (RunStatus.COMPLETED.value, RunStatus.CONVERTED.value),
    "stopped": (RunStatus.STOPPED.value,),
}
PropertyId = Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])]
DefinitionQuery = Annotated[UUID | None, BLANK_TO_NONE, Query(alias="definitionId")]

router = APIRouter(prefix="/api/workflows/runs", tags=["workflows"])


@router.get(
    "", summary="List the runs of a property", response_model=PropertyRunListResponse,
    responses=error_responses(NOT_FOUND, CURSOR), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_property_runs(
    request: Request,
    caller: ConsoleReader,
    property_id: PropertyId,
    definition_id: DefinitionQuery = None,
    version: Annotated[int | None, BLANK_TO_NONE, Query(ge=1, le=2**31 - 1)] = None,
    step: Annotated[int | None, BLANK_TO_NONE, Query(ge=0, le=MAX_STEP)] = None,
    state: Annotated[RunState | None, BLANK_TO_NONE, Query()] = None,
    cursor: Annotated[str | None, BLANK_TO_NONE, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE,
) -> Response:
    """Return the runs, newest first, with lead and next step. `step` is counted from 0."""
    context = context_of(request)
    before = decode_cursor(cursor) if cursor else None
    run_filter = RunFilter(
        property_id, definition_id, version, step, STATUSES[state] if state else ()
    )
    async with read_as(context.pool, caller.claims) as conn:
        await require_property_row(conn, caller, property_id)
        # One row more than the page: it tells whether there is a next page.
        rows = await conn.all(run_list.page(run_filter, before, limit + 1))
    shown = rows[:limit]
    async with context.pool.acquire() as pool_conn:
        scope = caller.scope(property_id, context.clock.now())
        definitions = await load_definitions(
            pool_conn, scope, (row["workflow_id"] for row in shown)
        )
    last = shown[-1] if len(rows) > limit else None
    return json_response({
        "runs": build_property_runs(shown, definitions),
        "nextCursor": None if last is None else encode_cursor(last["created_at"], last["id"]),
    })  # fmt: skip


@router.get(
    "/counts", summary="Count the runs of a property by step", response_model=RunCountResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def count_property_runs(
    request: Request,
    caller: ConsoleReader,
    property_id: PropertyId,
    definition_id: DefinitionQuery = None,
) -> Response:
    async with read_as(context_of(request).pool, caller.claims) as conn:
        await require_property_row(conn, caller, property_id)
        rows = await conn.all(run_list.counts(property_id, definition_id))
    return json_response({
        "counts": [
            {
                "definitionId": row["workflow_id"], "version": row["definition_version"],
                "status": row["status"], "step": row["current_step"], "runs": row["runs"],
            }
            for row in rows
        ]
    })  # fmt: skip


@router.get(
    "/stuck", summary="List the runs that make no progress", response_model=StuckRunListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_stuck(request: Request, caller: ConsoleReader, property_id: PropertyId) -> Response:
    """Return at most 200 runs, each with the reason and what to do."""
    context = context_of(request)
    now = context.clock.now()
    async with read_as(context.pool, caller.claims) as conn:
        await require_property_row(conn, caller, property_id)
    async with context.pool.acquire() as pool_conn:
        stuck = await list_stuck_runs(pool_conn, now, property_id, MAX_STUCK)
    async with read_as(context.pool, caller.claims) as conn:
        rows = await conn.all(run_list.several(property_id, [run.run_id for run in stuck]))
    async with context.pool.acquire() as pool_conn:
        definitions = await load_definitions(
            pool_conn, caller.scope(property_id, now), (row["workflow_id"] for row in rows)
        )
    found = {row["id"]: build_property_run(row, definitions) for row in rows}
    return json_response({
        "stuck": [
            {**_describe_stuck(run), "runId": run.run_id, "run": found.get(run.run_id)}
            for run in stuck
        ]
    })  # fmt: skip


@router.get(
    "/{run_id}", summary="Get a run with its history", response_model=RunDetailResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_run(
    request: Request,
    caller: ConsoleReader,
    run_id: Annotated[UUID, Path(examples=[example.RUN])],
) -> Response:
    """Return the run, its events and its messages, with what holds each of them."""
    context = context_of(request)
    now = context.clock.now()
    async with read_as(context.pool, caller.claims) as conn:
        row = await conn.first(run_list.of_organization(caller.org_id, run_id))
    if row is None:
        raise not_found("run")
    scope = caller.scope(row["property_id"], now)
    async with context.pool.acquire() as pool_conn:
        definitions = await load_definitions(pool_conn, scope, [row["workflow_id"]])
        history = await read.streams(pool_conn, [Stream("run", run_id)])
        messages = await _read_messages(pool_conn, history)
        items = await build_message_items(pool_conn, messages, now)
        stuck = await list_stuck_runs(pool_conn, now, row["property_id"], 1, run_id=run_id)
    content = content_of_run(row, definitions)
    return json_response({
        "run": build_property_run(row, definitions),
        "definition": {
            "id": row["workflow_id"],
            "name": content.display_name if content else row["definition_name"],
            "steps": [build_step_row(step) for step in content.steps] if content else [],
            "exit_conditions": list(content.exit_conditions) if content else [],
            "exit_events": list(content.exit_events) if content else [],
        },
        "history": [_describe_event(recorded) for recorded in history],
        "messages": items, "stuck": _describe_stuck(stuck[0]) if stuck else None,
    })  # fmt: skip


async def _read_messages(conn: Any, history: list[RecordedEvent]) -> list[Any]:
    """Return the states of the messages that the steps of a run planned, oldest first."""
    keys = [getattr(recorded.event, "delivery_id", None) for recorded in history]
    streams = [Stream("delivery", key) for key in dict.fromkeys(keys) if key is not None]
    if not streams:
        return []
    histories: dict[UUID, list[RecordedEvent]] = {stream.entity_id: [] for stream in streams}
    for recorded in await read.streams(conn, streams):
        histories[recorded.entity_id].append(recorded)
    return [state for events in histories.values() if (state := build_state(events))]


def _describe_event(recorded: RecordedEvent) -> dict[str, Any]:
    event, details = recorded.event, {}
    if isinstance(event, Event):
        details = event.model_dump(mode="json", exclude_none=True, exclude={"run_id", "lead_id"})
    return {
        "id": recorded.id, "at": recorded.occurred_at, "actor": recorded.actor,
        "type": event.name, "details": details,
    }  # fmt: skip


def _describe_stuck(run: StuckRun) -> dict[str, Any]:
    return {
        "code": run.code, "reason": run.reason, "since": run.since, "attempts": run.attempts,
        "hint": HINTS[StuckCode(run.code)],
    }  # fmt: skip
