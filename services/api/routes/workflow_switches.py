"""Routes that activate and deactivate workflow definitions."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleWriter
from services.api.context import context_of
from services.api.definitions import (
    build_definition_response,
    load_content,
    property_of_definition,
)
from services.api.error_codes import DEFINITION, SUBJECT, VERSION, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.workflow_switches import ActivationRequest
from services.api.schemas.workflows import DefinitionId, DefinitionResponse
from services.application.templates import load_template_channels
from services.application.unit_of_work import UnitOfWork
from services.deciders.workflows import ActivateWorkflow, DeactivateWorkflow

router = APIRouter(prefix="/api/workflows/definitions/{definition_id}", tags=["workflows"])


@router.post(
    "/activate", summary="Activate a workflow definition", response_model=DefinitionResponse,
    responses=error_responses(SUBJECT, DEFINITION, VERSION),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def activate_definition(
    request: Request,
    caller: ConsoleWriter,
    definition_id: DefinitionId,
    parsed: Annotated[ParsedBody[ActivationRequest], Depends(BodyParser(ActivationRequest))],
) -> Response:
    """Let the trigger enrol leads. Every step that sends needs an active template."""
    body = parsed.body
    property_id = await property_of_definition(context_of(request), caller, definition_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        content = await load_content(uow, definition_id)
        channels = await load_template_channels(uow, content.steps)
        await uow.execute(
            ActivateWorkflow(definition_id, channels, body.version, activated_by=caller.id)
        )
        return await build_definition_response(uow, definition_id)

    return await execute_write(request, caller, property_id, parsed.raw, work)


@router.post(
    "/deactivate", summary="Deactivate a workflow definition",
    response_model=DefinitionResponse, responses=error_responses(SUBJECT, VERSION),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def deactivate_definition(
    request: Request,
    caller: ConsoleWriter,
    definition_id: DefinitionId,
    parsed: Annotated[ParsedBody[ActivationRequest], Depends(BodyParser(ActivationRequest))],
) -> Response:
    """Enrol no further leads. Runs that have begun continue."""
    body = parsed.body
    property_id = await property_of_definition(context_of(request), caller, definition_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        await uow.execute(DeactivateWorkflow(
            definition_id, body.version, body.reason or None, deactivated_by=caller.id
        ))  # fmt: skip
        return await build_definition_response(uow, definition_id)

    return await execute_write(request, caller, property_id, parsed.raw, work)
