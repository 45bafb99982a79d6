"""Routes of message templates. Managers and admins write them."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.record import Stream
from projections import templates
from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import (
    NOT_FOUND,
    SLUG,
    SUBJECT,
    TEMPLATE,
    VERSION,
    error_responses,
)
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import property_of_stream, require_property
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas import example
from services.api.schemas.schema import SuccessResponse
from services.api.schemas.templates import (
    TemplateChangeRequest,
    TemplateId,
    TemplateListResponse,
    TemplateRequest,
    TemplateResponse,
)
from services.application.rows import build_row
from services.application.templates import find_slug_owners
from services.application.unit_of_work import UnitOfWork
from services.deciders import templates as template_decisions
from services.deciders.decider import UnknownSubject
from services.deciders.templates import DefineTemplate, RetireTemplate, TemplateContent

ENTITY_TYPE = "template"

router = APIRouter(prefix="/api/workflows/templates", tags=["workflows"])


@router.get(
    "", summary="List the templates of a property", response_model=TemplateListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_templates(
    request: Request,
    caller: ConsoleReader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
) -> Response:
    context = context_of(request)
    await require_property(context, caller, property_id)
    async with read_as(context.pool, caller.claims) as conn:
        query = templates.of_property(caller.org_id, property_id)
        rows = await conn.all(query)
    return json_response({"templates": [dict(row) for row in rows]})


@router.post(
    "", status_code=201, summary="Create a template", response_model=TemplateResponse,
    responses=error_responses(NOT_FOUND, TEMPLATE, SLUG), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def create_template(
    request: Request,
    caller: ConsoleWriter,
    parsed: Annotated[ParsedBody[TemplateRequest], Depends(BodyParser(TemplateRequest))],
) -> Response:
    body = parsed.body
    await require_property(context_of(request), caller, body.property_id)
    template_id = uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        slug_owner = (await find_slug_owners(uow, [body.slug])).get(body.slug)
        content = TemplateContent(
            body.slug, body.name, body.channel, body.body, body.subject or None, body.is_active
        )
        await uow.execute(DefineTemplate(template_id, content, slug_owner, changed_by=caller.id))
        return await _build_response(uow, template_id)

    return await execute_write(request, caller, body.property_id, parsed.raw, work, 201)


@router.patch(
    "/{template_id}", summary="Create a new version of a template",
    response_model=TemplateResponse, responses=error_responses(SUBJECT, TEMPLATE, VERSION),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def update_template(
    request: Request,
    caller: ConsoleWriter,
    template_id: TemplateId,
    parsed: Annotated[
        ParsedBody[TemplateChangeRequest], Depends(BodyParser(TemplateChangeRequest))
    ],
) -> Response:
    """Change the template. `isActive` makes a retired template active again."""
    body = parsed.body
    property_id = await _find_property(request, caller, template_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        state = await uow.load(template_decisions.decider, template_id)
        if state.content is None:
            raise UnknownSubject(Stream(ENTITY_TYPE, template_id))
        await uow.execute(DefineTemplate(
            template_id, _apply(state.content, body), expected_version=body.version,
            changed_by=caller.id, change_reason=body.change_reason or None,
        ))  # fmt: skip
        return await _build_response(uow, template_id)

    return await execute_write(request, caller, property_id, parsed.raw, work)


@router.delete(
    "/{template_id}", summary="Retire a template", response_model=SuccessResponse,
    responses=error_responses(SUBJECT), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def retire_template(
    request: Request, caller: ConsoleWriter, template_id: TemplateId
) -> Response:
    """Retire the template. It keeps its slug and its row, because sent messages refer to it."""
    property_id = await _find_property(request, caller, template_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        await uow.execute(RetireTemplate(template_id, retired_by=caller.id))
        return {"success": True}

    return await execute_write(request, caller, property_id, template_id.bytes, work)


async def _find_property(request: Request, caller: ConsoleWriter, template_id: UUID) -> UUID:
    stream = Stream(ENTITY_TYPE, template_id)
    return await property_of_stream(context_of(request), caller, stream, "template")


def _apply(content: TemplateContent, body: TemplateChangeRequest) -> TemplateContent:
    changes: dict[str, Any] = {}
    if body.name is not None:
        changes["display_name"] = body.name
    if "subject" in body.model_fields_set:
        changes["subject"] = body.subject or None
    if body.body is not None:
        changes["body"] = body.body
    if body.is_active is not None:
        changes["is_active"] = body.is_active
    return replace(content, **changes)


async def _build_response(uow: UnitOfWork, template_id: UUID) -> ResponseBody:
    recorded_events = await uow.history(Stream(ENTITY_TYPE, template_id))
    return {"template": build_row(templates.projection, template_id, recorded_events)}
