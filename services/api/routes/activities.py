"""Routes of a lead's activities."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from projections import activities
from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import ACTIVITY, NOT_FOUND, SUBJECT, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import load_surviving_lead, property_of_lead
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas.activities import (
    ActivityListResponse,
    ActivityRequest,
    ActivityResponse,
)
from services.api.schemas.schema import LeadId
from services.application.unit_of_work import UnitOfWork
from services.deciders.engagements import RecordActivity, parse_activity_type

MAX_ACTIVITIES = 100
COLUMNS = ("id", "type", "description", "metadata", "created_by", "created_at")

router = APIRouter(prefix="/api/leads/{lead_id}/activities", tags=["leads"])


@router.get(
    "", summary="List the newest activities of a lead", response_model=ActivityListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_activities(request: Request, caller: ConsoleReader, lead_id: LeadId) -> Response:
    async with read_as(context_of(request).pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        query = activities.newest(caller.org_id, lead["members"], MAX_ACTIVITIES)
        rows = await conn.all(query)
    return json_response(
        {"activities": [{name: getattr(row, name) for name in COLUMNS} for row in rows]}
    )


@router.post(
    "", status_code=201, summary="Record an activity for a lead",
    response_model=ActivityResponse, responses=error_responses(ACTIVITY, SUBJECT),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def record_activity(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[ActivityRequest], Depends(BodyParser(ActivityRequest))],
) -> Response:
    body = parsed.body
    activity_type = parse_activity_type(body.type)
    property_id = await property_of_lead(context_of(request), caller, lead_id)
    activity_id = uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        await uow.execute(RecordActivity(
            activity_id, lead_id, body.type, body.description, body.metadata, caller.id
        ))  # fmt: skip
        event_id, _ = uow.events[0]
        return {
            "activity": {
                "id": event_id, "type": activity_type, "description": body.description,
                "metadata": body.metadata, "created_by": caller.id, "created_at": uow.scope.at,
            }
        }  # fmt: skip

    return await execute_write(request, caller, property_id, parsed.raw, work, 201, is_plain=True)
