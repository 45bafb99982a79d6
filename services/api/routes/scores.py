"""Routes of current lead scores (LeadPulse)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import leads, score_inputs
from projections.score_history import row_id
from projections.scoring import v1
from projections.scoring.inputs import micros
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.current_scores import read_inputs
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.problems import invalid_request, not_found
from services.api.property_lookup import require_property
from services.api.reading import PreparedQuery, QueryRunner
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.scores import (
    BulkRescoreResponse,
    RescoreResponse,
    ScoreRequest,
    ScoreResponse,
)

_SCORE = PreparedQuery(score_inputs.of_person, "org_id", "lead_id")

router = APIRouter(prefix="/api/leadpulse", tags=["leadpulse"])


@router.get(
    "/score", summary="Get the current score of a lead", response_model=ScoreResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_score(
    request: Request,
    caller: ConsoleReader,
    lead_id: Annotated[UUID, Query(alias="leadId", examples=[example.LEAD])],
) -> Response:
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        score, is_new = await _read_score(conn, caller, lead_id, context.clock.now())
    return json_response({"score": score, "isNew": is_new})


@router.post(
    "/score", summary="Compute the current score of leads",
    response_model=RescoreResponse | BulkRescoreResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def compute_scores(
    request: Request,
    caller: ConsoleReader,
    parsed: Annotated[ParsedBody[ScoreRequest], Depends(BodyParser(ScoreRequest))],
) -> Response:
    """Return the score of one lead, or the number of leads that exist.

    Nothing is written: scores are always current. Clients of the old system call this route to
    have scores computed.
    """
    body, context = parsed.body, context_of(request)
    if body.lead_id is not None:
        async with read_as(context.pool, caller.claims) as conn:
            score, _ = await _read_score(conn, caller, body.lead_id, context.clock.now())
        return json_response({"success": True, "score": score})
    if body.lead_ids is not None:
        async with read_as(context.pool, caller.claims) as conn:
            query = leads.several(caller.org_id, body.lead_ids)
            existing_ids = {row.id for row in await conn.all(query)}
        requested = len(body.lead_ids)
        existing = sum(lead_id in existing_ids for lead_id in body.lead_ids)
    elif body.property_id is not None:
        await require_property(context, caller, body.property_id)
        async with read_as(context.pool, caller.claims) as conn:
            requested = existing = await conn.scalar(leads.count_of(body.property_id)) or 0
    else:
        message = "one of leadId, leadIds and propertyId is required: send one"
        raise invalid_request([{"loc": ("leadId",), "msg": message}])
    return json_response(
        {"success": True, "processed": requested, "successful": existing,
         "failed": requested - existing}
    )  # fmt: skip


async def _read_score(
    conn: QueryRunner, caller: ConsoleUser, lead_id: UUID, now: datetime
) -> tuple[dict[str, Any], bool]:
    """Return the score as of `now`, and whether it differs from the newest row of its history.

    For a merged lead, return the score of the winner. Engagements and tours of all its merged
    leads count. A restricted lead has its last score. Raise 404 for an unknown lead.
    """
    row = await conn.first(_SCORE(org_id=caller.org_id, lead_id=lead_id))
    if row is None:
        raise not_found("lead")
    stored = score = v1.Score(*row.result)
    if not score_inputs.holds(row, now):
        inputs = await read_inputs(conn, row.property_id, [row.lead_id])
        score = v1.score(inputs[row.lead_id], micros(now))
    is_new = score[:-1] != stored[:-1]  # all but the factors
    return {
        "id": row_id(row.lead_id, row.revision),
        "leadId": row.lead_id,
        "totalScore": score.total,
        "engagementScore": score.engagement,
        "timingScore": score.timing,
        "sourceScore": score.source,
        "completenessScore": score.completeness,
        "behaviorScore": score.behavior,
        "scoreBucket": score.bucket,
        "factors": score.factors,
        "scoredAt": now if is_new else row.scored_at,
        "modelVersion": v1.VERSION,
    }, is_new
