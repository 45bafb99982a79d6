"""Routes of tasks for agents."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.record import Stream
from projections import tasks
from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, SUBJECT, TASK, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.problems import not_found
from services.api.property_lookup import (
    load_surviving_lead,
    property_of_lead,
    property_of_stream,
    require_property,
)
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas import example
from services.api.schemas.schema import LeadId
from services.api.schemas.tasks import (
    TaskChangeRequest,
    TaskId,
    TaskListResponse,
    TaskRequest,
    TaskResponse,
    TaskStatus,
)
from services.application.rows import build_row
from services.application.unit_of_work import UnitOfWork
from services.deciders import tasks as task_decisions
from services.deciders.decider import UnknownSubject
from services.deciders.tasks import AssignTask, CreateTask, FinishTask

MAX_TASKS = 200

router = APIRouter(prefix="/api", tags=["tasks"])


@router.get(
    "/leads/{lead_id}/tasks", summary="List the tasks of a lead", response_model=TaskListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_tasks_of_lead(request: Request, caller: ConsoleReader, lead_id: LeadId) -> Response:
    async with read_as(context_of(request).pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        query = tasks.of_leads(caller.org_id, lead["members"], MAX_TASKS)
        rows = await conn.all(query)
    return json_response({"tasks": [dict(row) for row in rows]})


@router.get(
    "/tasks", summary="List the tasks of a property", response_model=TaskListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_tasks(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
    agent_id: Annotated[UUID | None, Query(alias="assignedAgentId")] = None,
    status: TaskStatus | None = None,
) -> Response:
    """Return the first 200 tasks, of one agent and one status if they are given."""
    context = context_of(request)
    await require_property(context, caller, property_id)
    async with read_as(context.pool, caller.claims) as conn:
        query = tasks.of_property(caller.org_id, property_id, agent_id, status, MAX_TASKS)
        rows = await conn.all(query)
    return json_response({"tasks": [dict(row) for row in rows]})


@router.get(
    "/tasks/{task_id}", summary="Get a task", response_model=TaskResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_task(request: Request, caller: ConsoleReader, task_id: TaskId) -> Response:
    async with read_as(context_of(request).pool, caller.claims) as conn:
        row = await conn.first(tasks.of_organization(caller.org_id, task_id))
    if row is None:
        raise not_found("task")
    return json_response({"task": dict(row)})


@router.post(
    "/leads/{lead_id}/tasks", status_code=201, summary="Create a task for a lead",
    response_model=TaskResponse, responses=error_responses(SUBJECT, TASK),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def create_task(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[TaskRequest], Depends(BodyParser(TaskRequest))],
) -> Response:
    body = parsed.body
    property_id = await property_of_lead(context_of(request), caller, lead_id)
    task_id = uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        await uow.execute(CreateTask(
            task_id, lead_id, body.title, body.notes or None, body.due_at, body.assigned_agent_id,
            created_by=caller.id,
        ))  # fmt: skip
        return await _build_response(uow, task_id)

    return await execute_write(request, caller, property_id, parsed.raw, work, 201)


@router.patch(
    "/tasks/{task_id}", summary="Finish a task, or assign it", response_model=TaskResponse,
    responses=error_responses(SUBJECT, TASK), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def update_task(
    request: Request,
    caller: ConsoleWriter,
    task_id: TaskId,
    parsed: Annotated[ParsedBody[TaskChangeRequest], Depends(BodyParser(TaskChangeRequest))],
) -> Response:
    body, stream = parsed.body, Stream("task", task_id)
    property_id = await property_of_stream(context_of(request), caller, stream, "task")

    async def work(uow: UnitOfWork) -> ResponseBody:
        task = await uow.load(task_decisions.decider, task_id)
        if task.lead_id is None:
            raise UnknownSubject(stream)
        if "assigned_agent_id" in body.model_fields_set:
            await uow.execute(AssignTask(
                task_id, task.lead_id, body.assigned_agent_id, body.reason or None, caller.id
            ))  # fmt: skip
        if body.done:
            await uow.execute(FinishTask(task_id, task.lead_id, body.result or None, caller.id))
        return await _build_response(uow, task_id)

    return await execute_write(request, caller, property_id, parsed.raw, work)


async def _build_response(uow: UnitOfWork, task_id: UUID) -> ResponseBody:
    history = await uow.history(Stream("task", task_id))
    return {"task": build_row(tasks.projection, task_id, history)}
