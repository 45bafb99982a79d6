"""Routes of current lead scores (LeadPulse)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from projections import engagements, leads, scores, tours
from projections.scoring import v1
from projections.scoring.inputs import WINDOW, micros
from projections.scoring.stored_inputs import inputs_of
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.console_users import ConsoleUser
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.problems import invalid_request
from services.api.property_lookup import load_surviving_lead, require_property
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import json_response
from services.api.schemas import example
from services.api.schemas.scores import (
    BulkRescoreResponse,
    RescoreResponse,
    ScoreRequest,
    ScoreResponse,
)

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
    async with caller.transaction(context.engine) as conn:
        score, is_new = await _compute_score(conn, caller, lead_id, context.clock.now())
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
        async with caller.transaction(context.engine) as conn:
            score, _ = await _compute_score(conn, caller, body.lead_id, context.clock.now())
        return json_response({"success": True, "score": score})
    if body.lead_ids is not None:
        async with caller.transaction(context.engine) as conn:
            query = leads.several(caller.org_id, body.lead_ids)
            existing_ids = {row.id for row in (await conn.execute(query)).all()}
        requested = len(body.lead_ids)
        existing = sum(lead_id in existing_ids for lead_id in body.lead_ids)
    elif body.property_id is not None:
        await require_property(context, caller, body.property_id)
        async with caller.transaction(context.engine) as conn:
            requested = existing = await conn.scalar(leads.count_of(body.property_id)) or 0
    else:
        message = "one of leadId, leadIds and propertyId is required: send one"
        raise invalid_request([{"loc": ("leadId",), "msg": message}])
    return json_response(
        {"success": True, "processed": requested, "successful": existing,
         "failed": requested - existing}
    )  # fmt: skip


async def _compute_score(
    conn: AsyncConnection, caller: ConsoleUser, lead_id: UUID, now: datetime
) -> tuple[dict[str, Any], bool]:
    """Return the score as of `now`, and whether it differs from the newest row of its history.

    For a merged lead, return the score of the winner. Engagements and tours of all its merged
    leads count. A restricted lead has its last score. Raise 404 for an unknown lead.
    """
    lead = await load_surviving_lead(conn, caller, lead_id)
    org_id, members = caller.org_id, lead["members"]
    newest = (await conn.execute(scores.newest(org_id, lead["id"]))).mappings().first()
    if lead["restricted_at"] is not None and newest is not None:
        return _stored_score(newest), False
    tour_rows = (await conn.execute(tours.of_leads(org_id, members))).all()
    window_start = now - timedelta(microseconds=WINDOW)
    query = engagements.counting(org_id, members, window_start)
    engagement_rows = (await conn.execute(query)).all()
    inputs = inputs_of(
        lead,
        ((row.id, row.status) for row in tour_rows),
        ((row.created_at, row.score_weight) for row in engagement_rows),
        await conn.scalar(engagements.count_of(org_id, members)) or 0,
    )
    score = v1.score(inputs, micros(now))
    is_new = newest is None or any(
        newest[column] != value for column, value in _stored_columns(score).items()
    )
    row = {
        **_stored_columns(score),
        "id": newest["id"] if newest else None,
        "lead_id": lead["id"],
        "factors": score.factors,
        "scored_at": now if newest is None or is_new else newest["scored_at"],
        "model_version": v1.VERSION,
    }
    return _stored_score(row), is_new


def _stored_score(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row of the score history as a score of the response."""
    return {
        "id": row["id"],
        "leadId": row["lead_id"],
        "totalScore": row["total_score"],
        "engagementScore": row["engagement_score"],
        "timingScore": row["timing_score"],
        "sourceScore": row["source_score"],
        "completenessScore": row["completeness_score"],
        "behaviorScore": row["behavior_score"],
        "scoreBucket": row["score_bucket"],
        "factors": row["factors"],
        "scoredAt": row["scored_at"],
        "modelVersion": row["model_version"],
    }


def _stored_columns(score: v1.Score) -> dict[str, Any]:
    return {
        "total_score": score.total, "engagement_score": score.engagement,
        "timing_score": score.timing, "source_score": score.source,
        "completeness_score": score.completeness, "behavior_score": score.behavior,
        "score_bucket": score.bucket,
    }  # fmt: skip
