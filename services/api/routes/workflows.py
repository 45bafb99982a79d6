"""Workflow definitions: written in versions, switched on and off, seeded with the system's own.

Managers and admins write them: workflows are what a leasing team works with from day to day, as
its leads and tours are, and not the configuration of the widget, which is the admin's alone. What
a mistake could send is held back otherwise: nothing is enrolled before somebody activates it.
"""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.record import Stream
from events.workflows import Step
from projections import workflows
from services.api.auth.callers import Reader, Writer
from services.api.context import core_of
from services.api.error_codes import DEFINITION, NOT_FOUND, OF_DEFINITION, VERSION, refuses
from services.api.property_lookup import property_of
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, written
from services.api.schemas import example
from services.api.schemas.workflows import (
    DefinitionAnswered,
    DefinitionChangeSent,
    DefinitionId,
    Definitions,
    DefinitionSent,
    SeededAnswered,
    SeedSent,
    StepSent,
    SwitchSent,
)
from services.application.rows import row_of
from services.application.templates import channels_of
from services.application.unit_of_work import UnitOfWork
from services.application.workflows import seed
from services.deciders.decider import UnknownSubject
from services.deciders.workflows import (
    ActivateWorkflow,
    DeactivateWorkflow,
    DefineWorkflow,
    Definition,
    Written,
)

KIND = "definition"

router = APIRouter(prefix="/api/workflows", tags=["workflows"])


@router.get(
    "/definitions", summary="A property's workflows", response_model=Definitions,
    responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def listed(
    request: Request,
    caller: Reader,
    property_id: Annotated[UUID, Query(alias="propertyId", examples=[example.PROPERTY])],
) -> Response:
    await caller.demand_property(core_of(request), property_id)
    async with caller.transaction(core_of(request).engine) as conn:
        query = workflows.of_property(caller.org_id, property_id)
        rows = (await conn.execute(query)).all()
    return answered({"definitions": [row._asdict() for row in rows]})


@router.post(
    "/definitions", status_code=201, summary="Write a workflow",
    response_model=DefinitionAnswered, responses=refuses(NOT_FOUND, DEFINITION),
    dependencies=[Once],
)  # fmt: skip
async def define(
    request: Request,
    caller: Writer,
    sent: Annotated[Taken[DefinitionSent], Depends(Takes(DefinitionSent))],
) -> Response:
    body = sent.said
    await caller.demand_property(core_of(request), body.property_id)
    definition_id = uuid7()

    async def work(uow: UnitOfWork) -> Answer:
        said = Written(
            body.name, body.trigger_on, _steps(body.steps), tuple(body.exit_conditions),
            body.description or None,
        )  # fmt: skip
        await uow.do(DefineWorkflow(definition_id, said, changed_by=caller.id))
        return await _answer(uow, definition_id)

    return await written(request, caller, caller.scope(body.property_id), sent.raw, work, 201)


@router.patch(
    "/definitions/{definition_id}", summary="Write a new version of a workflow",
    response_model=DefinitionAnswered, responses=refuses(OF_DEFINITION, DEFINITION, VERSION),
    dependencies=[Once],
)  # fmt: skip
async def change(
    request: Request,
    caller: Writer,
    definition_id: DefinitionId,
    sent: Annotated[Taken[DefinitionChangeSent], Depends(Takes(DefinitionChangeSent))],
) -> Response:
    """Runs keep the version they began with."""
    body = sent.said
    property_id = await _home(request, caller, definition_id)

    async def work(uow: UnitOfWork) -> Answer:
        said = _changed(await _known(uow, definition_id), body)
        await uow.do(DefineWorkflow(
            definition_id, said, await channels_of(uow, said.steps), seen=body.version,
            changed_by=caller.id, change_reason=body.change_reason or None,
        ))  # fmt: skip
        return await _answer(uow, definition_id)

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


@router.post(
    "/definitions/{definition_id}/activate", summary="Let a workflow enrol leads",
    response_model=DefinitionAnswered, responses=refuses(OF_DEFINITION, DEFINITION, VERSION),
    dependencies=[Once],
)  # fmt: skip
async def activate(
    request: Request,
    caller: Writer,
    definition_id: DefinitionId,
    sent: Annotated[Taken[SwitchSent], Depends(Takes(SwitchSent))],
) -> Response:
    """Each step that sends needs its template to be in use."""
    property_id = await _home(request, caller, definition_id)

    async def work(uow: UnitOfWork) -> Answer:
        channels = await channels_of(uow, (await _known(uow, definition_id)).steps)
        seen = sent.said.version
        await uow.do(ActivateWorkflow(definition_id, channels, seen, activated_by=caller.id))
        return await _answer(uow, definition_id)

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


@router.post(
    "/definitions/{definition_id}/deactivate", summary="Let a workflow enrol nobody any more",
    response_model=DefinitionAnswered, responses=refuses(OF_DEFINITION, VERSION),
    dependencies=[Once],
)  # fmt: skip
async def deactivate(
    request: Request,
    caller: Writer,
    definition_id: DefinitionId,
    sent: Annotated[Taken[SwitchSent], Depends(Takes(SwitchSent))],
) -> Response:
    """Runs that have begun go on."""
    body = sent.said
    property_id = await _home(request, caller, definition_id)

    async def work(uow: UnitOfWork) -> Answer:
        await uow.do(DeactivateWorkflow(
            definition_id, body.version, body.reason or None, deactivated_by=caller.id
        ))  # fmt: skip
        return await _answer(uow, definition_id)

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


@router.post(
    "/seed-defaults", summary="Write the system's workflows and texts",
    response_model=SeededAnswered, responses=refuses(NOT_FOUND), dependencies=[Once],
)  # fmt: skip
async def seed_defaults(
    request: Request,
    caller: Writer,
    sent: Annotated[Taken[SeedSent], Depends(Takes(SeedSent))],
) -> Response:
    """They are inactive until reviewed; asked for again, nothing changes."""
    property_id = sent.said.property_id
    await caller.demand_property(core_of(request), property_id)

    async def work(uow: UnitOfWork) -> Answer:
        made = await seed(uow)
        return {
            "success": True,
            "definitionsCreated": made.definitions,
            "templatesCreated": made.templates,
        }

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


async def _home(request: Request, caller: Writer, definition_id: UUID) -> UUID:
    return await property_of(core_of(request), caller, Stream(KIND, definition_id), "workflow")


async def _known(uow: UnitOfWork, definition_id: UUID) -> Written:
    """Raises `Refused`."""
    state: Definition = await uow.state(DeactivateWorkflow(definition_id))
    if state.written is None:
        raise UnknownSubject(Stream(KIND, definition_id))
    return state.written


def _changed(known: Written, body: DefinitionChangeSent) -> Written:
    news: dict[str, Any] = {}
    if body.name is not None:
        news["display_name"] = body.name
    if "description" in body.model_fields_set:
        news["description"] = body.description or None
    if body.trigger_on is not None:
        news["trigger_on"] = body.trigger_on
    if body.steps is not None:
        news["steps"] = _steps(body.steps)
    if body.exit_conditions is not None:
        news["exit_conditions"] = tuple(body.exit_conditions)
    return replace(known, **news)


def _steps(sent: list[StepSent]) -> tuple[Step, ...]:
    return tuple(Step(**one.model_dump()) for one in sent)


async def _answer(uow: UnitOfWork, definition_id: UUID) -> Answer:
    recorded_events = await uow.history(Stream(KIND, definition_id))
    return {"definition": row_of(workflows.projection, definition_id, recorded_events)}
