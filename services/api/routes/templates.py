"""Message templates: written in versions, and retired. Managers and admins write them."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.record import Stream
from projections import templates
from services.api.auth.callers import Reader, Writer
from services.api.context import core_of
from services.api.error_codes import NOT_FOUND, OF_DEFINITION, SLUG, TEMPLATE, VERSION, refuses
from services.api.property_lookup import property_of
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, written
from services.api.schemas import example
from services.api.schemas.templates import (
    TemplateAnswered,
    TemplateChangeSent,
    TemplateId,
    Templates,
    TemplateSent,
)
from services.api.schemas.tours import Done
from services.application.rows import row_of
from services.application.templates import owners_of_slugs
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import UnknownSubject
from services.deciders.templates import DefineTemplate, RetireTemplate, Template, Wording

KIND = "template"

router = APIRouter(prefix="/api/workflows/templates", tags=["workflows"])


@router.get(
    "", summary="A property's templates", response_model=Templates, responses=refuses(NOT_FOUND),
    dependencies=[Reached],
)  # fmt: skip
async def listed(
    request: Request,
    caller: Reader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
) -> Response:
    await caller.demand_property(core_of(request), property_id)
    async with caller.transaction(core_of(request).engine) as conn:
        query = templates.of_property(caller.org_id, property_id)
        rows = (await conn.execute(query)).all()
    return answered({"templates": [row._asdict() for row in rows]})


@router.post(
    "", status_code=201, summary="Write a template", response_model=TemplateAnswered,
    responses=refuses(NOT_FOUND, TEMPLATE, SLUG), dependencies=[Once],
)  # fmt: skip
async def define(
    request: Request,
    caller: Writer,
    sent: Annotated[Taken[TemplateSent], Depends(Takes(TemplateSent))],
) -> Response:
    body = sent.said
    await caller.demand_property(core_of(request), body.property_id)
    template_id = uuid7()

    async def work(uow: UnitOfWork) -> Answer:
        owner = (await owners_of_slugs(uow, [body.slug])).get(body.slug)
        said = Wording(
            body.slug, body.name, body.channel, body.body, body.subject or None, body.is_active
        )
        await uow.do(DefineTemplate(template_id, said, owner, changed_by=caller.id))
        return await _answer(uow, template_id)

    return await written(request, caller, caller.scope(body.property_id), sent.raw, work, 201)


@router.patch(
    "/{template_id}", summary="Write a new version of a template",
    response_model=TemplateAnswered, responses=refuses(OF_DEFINITION, TEMPLATE, VERSION),
    dependencies=[Once],
)  # fmt: skip
async def change(
    request: Request,
    caller: Writer,
    template_id: TemplateId,
    sent: Annotated[Taken[TemplateChangeSent], Depends(Takes(TemplateChangeSent))],
) -> Response:
    """One that was retired is in use again with `isActive`."""
    body = sent.said
    property_id = await _home(request, caller, template_id)

    async def work(uow: UnitOfWork) -> Answer:
        state: Template = await uow.state(RetireTemplate(template_id))
        if state.wording is None:
            raise UnknownSubject(Stream(KIND, template_id))
        await uow.do(DefineTemplate(
            template_id, _changed(state.wording, body), seen=body.version, changed_by=caller.id,
            change_reason=body.change_reason or None,
        ))  # fmt: skip
        return await _answer(uow, template_id)

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


@router.delete(
    "/{template_id}", summary="Use a template no more", response_model=Done,
    responses=refuses(OF_DEFINITION), dependencies=[Once],
)  # fmt: skip
async def retire(request: Request, caller: Writer, template_id: TemplateId) -> Response:
    """It keeps its slug, and its row: what was sent refers to it."""
    property_id = await _home(request, caller, template_id)

    async def work(uow: UnitOfWork) -> Answer:
        await uow.do(RetireTemplate(template_id, retired_by=caller.id))
        return {"success": True}

    return await written(request, caller, caller.scope(property_id), template_id.bytes, work)


async def _home(request: Request, caller: Writer, template_id: UUID) -> UUID:
    return await property_of(core_of(request), caller, Stream(KIND, template_id), "template")


def _changed(known: Wording, body: TemplateChangeSent) -> Wording:
    news: dict[str, Any] = {}
    if body.name is not None:
        news["display_name"] = body.name
    if "subject" in body.model_fields_set:
        news["subject"] = body.subject or None
    if body.body is not None:
        news["body"] = body.body
    if body.is_active is not None:
        news["is_active"] = body.is_active
    return replace(known, **news)


async def _answer(uow: UnitOfWork, template_id: UUID) -> Answer:
    recorded_events = await uow.history(Stream(KIND, template_id))
    return {"template": row_of(templates.projection, template_id, recorded_events)}
