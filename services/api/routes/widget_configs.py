"""Routes of a widget's configuration in the console."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import widgets
from services.api.auth.console_authentication import ConsoleAdmin, ConsoleAdminWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.problems import not_found
from services.api.property_lookup import require_property
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas import example
from services.api.schemas.schema import SuccessResponse
from services.api.schemas.widget_configs import WidgetConfigRequest, WidgetConfigResponse
from services.application.unit_of_work import UnitOfWork
from services.deciders.widgets import ConfigureWidget

router = APIRouter(prefix="/api/lumaleasing/admin", tags=["administration"])


@router.get(
    "/config", summary="Get a widget's configuration", response_model=WidgetConfigResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_widget_config(
    request: Request,
    caller: ConsoleAdmin,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
) -> Response:
    """Return all settings. The key is never part of them."""
    context = context_of(request)
    await require_property(context, caller, property_id)
    async with read_as(context.pool, caller.claims) as conn:
        row = await conn.first(widgets.of_property(property_id))
    if row is None:
        raise not_found("widget")
    return json_response({"config": dict(row)})


@router.put(
    "/config", summary="Change a widget's configuration", response_model=SuccessResponse,
    responses=error_responses(NOT_FOUND), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def update_widget_config(
    request: Request,
    caller: ConsoleAdminWriter,
    parsed: Annotated[ParsedBody[WidgetConfigRequest], Depends(BodyParser(WidgetConfigRequest))],
) -> Response:
    """Change the settings in the request. Missing settings stay; unknown ones are an error."""
    body = parsed.body
    await require_property(context_of(request), caller, body.property_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        await uow.execute(ConfigureWidget(body.property_id, body.config.changes, caller.id))
        return {"success": True}

    return await execute_write(request, caller, body.property_id, parsed.raw, work)
