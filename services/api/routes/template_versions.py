"""Route of one message template with all its versions."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from events.log import read
from events.record import RecordedEvent, Stream
from events.workflows import TemplateDefined
from projections import templates
from services.api.auth.console_authentication import ConsoleReader
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import property_of_stream
from services.api.responses import json_response
from services.api.schemas.template_versions import TemplateVersionsResponse
from services.api.schemas.templates import TemplateId
from services.application.rows import build_row

MAX_VERSIONS = 100

router = APIRouter(prefix="/api/workflows/templates/{template_id}", tags=["workflows"])


@router.get(
    "", summary="Get a template with its versions", response_model=TemplateVersionsResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_template(
    request: Request, caller: ConsoleReader, template_id: TemplateId
) -> Response:
    """Return the template as the log has it. Sent messages name the version that they used."""
    context, stream = context_of(request), Stream("template", template_id)
    await property_of_stream(context, caller, stream, "template")
    async with context.pool.acquire() as conn:
        history = await read.streams(conn, [stream])
    versions = [
        version for recorded in history if (version := _describe_version(recorded)) is not None
    ]
    return json_response({
        "template": build_row(templates.projection, template_id, history),
        "versions": versions[::-1][:MAX_VERSIONS],
    })  # fmt: skip


def _describe_version(recorded: RecordedEvent) -> dict[str, Any] | None:
    event = recorded.event
    if not isinstance(event, TemplateDefined):
        return None
    return {
        "version": event.template_version, "name": event.display_name, "subject": event.subject,
        "body": event.body, "is_active": event.is_active, "changed_at": recorded.occurred_at,
        "changed_by": event.changed_by, "change_reason": event.change_reason,
    }  # fmt: skip
