"""Route that simulates a workflow for one lead."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleReader
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.definitions import load_content, property_of_definition
from services.api.error_codes import NOT_FOUND, SUBJECT, TIME_ZONE, error_responses
from services.api.problems import not_found
from services.api.property_lookup import property_of_lead
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.schema import BLANK_TO_NONE
from services.api.schemas.workflow_simulations import SimulationResponse
from services.api.schemas.workflows import DefinitionId
from services.application.enrolment import find_obstacle
from services.application.unit_of_work import UnitOfWork
from services.application.workflow_simulation import SimulatedStep, simulate
from services.deciders import workflows
from services.deciders.delivery_steps import describe_reason

router = APIRouter(
    prefix="/api/workflows/definitions/{definition_id}/simulation", tags=["workflows"]
)


@router.get(
    "", summary="Simulate a workflow for a lead", response_model=SimulationResponse,
    responses=error_responses(NOT_FOUND, SUBJECT, TIME_ZONE), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def simulate_definition(
    request: Request,
    caller: ConsoleReader,
    definition_id: DefinitionId,
    lead_id: Annotated[UUID, Query(alias="leadId", examples=[example.LEAD])],
    starts_at: Annotated[AwareDatetime | None, BLANK_TO_NONE, Query(alias="startsAt")] = None,
) -> Response:
    """Return every step with its instant, and why it sends nothing. Nothing is written.

    The newest version is simulated, with the lead as it is now. Without `startsAt`, the run begins
    now.
    """
    context = context_of(request)
    property_id = await property_of_definition(context, caller, definition_id)
    if await property_of_lead(context, caller, lead_id) != property_id:
        raise not_found("lead")
    now = context.clock.now()
    begin: datetime = starts_at or now
    async with context.pool.acquire() as conn, conn.transaction(readonly=True):
        uow = UnitOfWork(conn, caller.scope(property_id, now), None)  # type: ignore[arg-type]
        await load_content(uow, definition_id)
        obstacle = await find_obstacle(uow, definition_id, lead_id)
        steps = await simulate(uow, definition_id, lead_id, begin)
        version = (await uow.load(workflows.decider, definition_id)).version
    return json_response({
        "definitionId": definition_id, "version": version, "leadId": lead_id, "startsAt": begin,
        "obstacle": obstacle and {"code": obstacle.code, "reason": obstacle.message},
        "steps": [_describe_step(step) for step in steps],
    })  # fmt: skip


def _describe_step(step: SimulatedStep) -> dict[str, Any]:
    found = {to_camel(name): value for name, value in asdict(step).items()}
    rule = describe_reason(step.rule) if step.rule else None
    return {**found, "reason": ": ".join(filter(None, (rule, step.detail))) or None}
