"""Routes of workflow definitions.

Managers and admins write them. Definitions are part of a leasing team's daily work, as leads and
tours are. Only the configuration of the widget is reserved for admins. A mistake cannot send
anything at once: a definition enrols no lead until somebody activates it.
"""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.workflows import Step
from projections import workflows
from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.definitions import (
    build_definition_response,
    load_content,
    property_of_definition,
)
from services.api.error_codes import DEFINITION, NOT_FOUND, SUBJECT, VERSION, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import require_property
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas import example
from services.api.schemas.workflows import (
    DefinitionChangeRequest,
    DefinitionId,
    DefinitionListResponse,
    DefinitionRequest,
    DefinitionResponse,
    StepRequest,
)
from services.application.templates import load_template_channels
from services.application.unit_of_work import UnitOfWork
from services.deciders.workflows import DefineWorkflow, WorkflowContent

router = APIRouter(prefix="/api/workflows/definitions", tags=["workflows"])


@router.get(
    "", summary="List the workflow definitions of a property",
    response_model=DefinitionListResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_definitions(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
) -> Response:
    context = context_of(request)
    await require_property(context, caller, property_id)
    async with read_as(context.pool, caller.claims) as conn:
        query = workflows.of_property(caller.org_id, property_id)
        rows = await conn.all(query)
    return json_response({"definitions": [dict(row) for row in rows]})


@router.post(
    "", status_code=201, summary="Create a workflow definition",
    response_model=DefinitionResponse, responses=error_responses(NOT_FOUND, DEFINITION),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def create_definition(
    request: Request,
    caller: ConsoleWriter,
    parsed: Annotated[ParsedBody[DefinitionRequest], Depends(BodyParser(DefinitionRequest))],
) -> Response:
    body = parsed.body
    await require_property(context_of(request), caller, body.property_id)
    definition_id = uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        content = WorkflowContent(
            body.name, body.trigger_on, _steps(body.steps), tuple(body.exit_conditions),
            body.description or None, tuple(body.exit_events), body.reentry,
            body.min_interval_hours, body.max_age_hours,
        )  # fmt: skip
        await uow.execute(DefineWorkflow(definition_id, content, changed_by=caller.id))
        return await build_definition_response(uow, definition_id)

    return await execute_write(request, caller, body.property_id, parsed.raw, work, 201)


@router.patch(
    "/{definition_id}", summary="Create a new version of a workflow definition",
    response_model=DefinitionResponse, responses=error_responses(SUBJECT, DEFINITION, VERSION),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def update_definition(
    request: Request,
    caller: ConsoleWriter,
    definition_id: DefinitionId,
    parsed: Annotated[
        ParsedBody[DefinitionChangeRequest], Depends(BodyParser(DefinitionChangeRequest))
    ],
) -> Response:
    """Change the definition. Runs keep the version with which they began."""
    body = parsed.body
    property_id = await property_of_definition(context_of(request), caller, definition_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        content = _apply(await load_content(uow, definition_id), body)
        await uow.execute(DefineWorkflow(
            definition_id, content, await load_template_channels(uow, content.steps),
            expected_version=body.version, changed_by=caller.id,
            change_reason=body.change_reason or None,
        ))  # fmt: skip
        return await build_definition_response(uow, definition_id)

    return await execute_write(request, caller, property_id, parsed.raw, work)


def _apply(content: WorkflowContent, body: DefinitionChangeRequest) -> WorkflowContent:
    changes: dict[str, Any] = {}
    if body.name is not None:
        changes["display_name"] = body.name
    if "description" in body.model_fields_set:
        changes["description"] = body.description or None
    if body.trigger_on is not None:
        changes["trigger_on"] = body.trigger_on
    if body.steps is not None:
        changes["steps"] = _steps(body.steps)
    if body.exit_conditions is not None:
        changes["exit_conditions"] = tuple(body.exit_conditions)
    if body.exit_events is not None:
        changes["exit_events"] = tuple(body.exit_events)
    for name in ("reentry", "min_interval_hours", "max_age_hours"):
        if name in body.model_fields_set:
            changes[name] = getattr(body, name)
    return replace(content, **changes)


def _steps(steps: list[StepRequest]) -> tuple[Step, ...]:
    return tuple(Step(**step.model_dump()) for step in steps)
