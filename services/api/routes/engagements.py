"""Routes of a lead's engagements (LeadPulse)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.engagements import EngagementRecorded
from projections import engagements
from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import ENGAGEMENT, NOT_FOUND, SUBJECT, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.property_lookup import load_surviving_lead, property_of_lead
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas import example
from services.api.schemas.engagements import (
    EngagementListResponse,
    EngagementRequest,
    EngagementResponse,
)
from services.application.unit_of_work import UnitOfWork
from services.deciders.engagements import RecordEngagement, parse_engagement_type

router = APIRouter(prefix="/api/leadpulse", tags=["leadpulse"])


@router.post(
    "/events", summary="Record an engagement of a lead", response_model=EngagementResponse,
    responses=error_responses(ENGAGEMENT, SUBJECT), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def record_engagement(
    request: Request,
    caller: ConsoleWriter,
    parsed: Annotated[ParsedBody[EngagementRequest], Depends(BodyParser(EngagementRequest))],
) -> Response:
    body = parsed.body
    parse_engagement_type(body.event_type)
    property_id = await property_of_lead(context_of(request), caller, body.lead_id)
    engagement_id = uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        await uow.execute(
            RecordEngagement(engagement_id, body.lead_id, body.event_type, body.metadata)
        )
        event_id, event = uow.events[-1]
        weight = event.score_weight if isinstance(event, EngagementRecorded) else 0
        return {
            "success": True,
            "event": {
                "id": str(event_id), "leadId": str(event.lead), "eventType": body.event_type,
                "scoreWeight": weight, "createdAt": uow.scope.at,
            },
            # Always true: the score follows from the event without a separate computation.
            "rescored": True,
        }  # fmt: skip

    return await execute_write(request, caller, property_id, parsed.raw, work, is_plain=True)


@router.get(
    "/events", summary="List the newest engagements of a lead",
    response_model=EngagementListResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_engagements(
    request: Request,
    caller: ConsoleReader,
    lead_id: Annotated[UUID, Query(alias="leadId", examples=[example.LEAD])],
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    async with read_as(context_of(request).pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        query = engagements.newest(caller.org_id, lead["members"], limit)
        rows = await conn.all(query)
    return json_response(
        {
            "events": [
                {
                    "id": row.id, "eventType": row.event_type, "metadata": row.metadata,
                    "scoreWeight": row.score_weight, "createdAt": row.created_at,
                }
                for row in rows
            ]
        }
    )  # fmt: skip
