"""Route that creates the default workflows and templates of a property."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleWriter
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import require_property
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.workflow_defaults import SeedRequest, SeedResponse
from services.application.unit_of_work import UnitOfWork
from services.application.workflows import seed_property

router = APIRouter(prefix="/api/workflows", tags=["workflows"])


@router.post(
    "/seed-defaults", summary="Create the default workflows and templates",
    response_model=SeedResponse, responses=error_responses(NOT_FOUND),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def seed_defaults(
    request: Request,
    caller: ConsoleWriter,
    parsed: Annotated[ParsedBody[SeedRequest], Depends(BodyParser(SeedRequest))],
) -> Response:
    """Create what is missing. Default workflows are inactive until somebody activates them."""
    property_id = parsed.body.property_id
    await require_property(context_of(request), caller, property_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        counts = await seed_property(uow)
        return {
            "success": True,
            "definitionsCreated": counts.definitions,
            "templatesCreated": counts.templates,
        }

    return await execute_write(request, caller, property_id, parsed.raw, work)
