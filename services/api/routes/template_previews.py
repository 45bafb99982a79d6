"""Route that shows a template as a lead would get it."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from events.record import Stream
from services.api.auth.console_authentication import ConsoleReader
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, SUBJECT, VARIABLES, error_responses
from services.api.problems import not_found
from services.api.property_lookup import property_of_lead, property_of_stream
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.template_previews import TemplatePreviewResponse
from services.api.schemas.templates import TemplateId
from services.application.template_previews import preview_template
from services.application.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/workflows/templates/{template_id}/preview", tags=["workflows"])


@router.get(
    "", summary="Preview a template for a lead", response_model=TemplatePreviewResponse,
    responses=error_responses(NOT_FOUND, SUBJECT, VARIABLES), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def preview_message(
    request: Request,
    caller: ConsoleReader,
    template_id: TemplateId,
    lead_id: Annotated[UUID, Query(alias="leadId", examples=[example.LEAD])],
) -> Response:
    """Return the text that the renderer of sent messages makes. Nothing is written or sent.

    The newest version is shown, active or not, about the lead's next tour.
    """
    context = context_of(request)
    stream = Stream("template", template_id)
    property_id = await property_of_stream(context, caller, stream, "template")
    if await property_of_lead(context, caller, lead_id) != property_id:
        raise not_found("lead")
    async with context.pool.acquire() as conn, conn.transaction(readonly=True):
        uow = UnitOfWork(conn, caller.scope(property_id, context.clock.now()), None)  # type: ignore[arg-type]
        preview = await preview_template(uow, template_id, lead_id)
    return json_response({"templateId": template_id, "leadId": lead_id, **asdict(preview)})
