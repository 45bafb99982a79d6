"""LeadPulse: what leads did, and how promising that makes them now."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.engagements import EngagementRecorded
from projections import engagements, leads, scores, tours
from projections.scoring import v1
from projections.scoring.inputs import WINDOW, micros
from projections.scoring.stored_inputs import inputs_of
from services.api.auth.callers import Person, Reader, Writer, no_such
from services.api.context import core_of
from services.api.error_codes import ENGAGEMENT, NOT_FOUND, OF_LEAD, refuses
from services.api.problems import Problem
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, written
from services.api.schemas import example
from services.api.schemas.scores import (
    EngagementNoted,
    Engagements,
    EngagementSent,
    Rescored,
    RescoredMany,
    ScoreRead,
    ScoringSent,
)
from services.application.unit_of_work import UnitOfWork
from services.deciders.engagements import RecordEngagement, engagement_type

router = APIRouter(prefix="/api/leadpulse", tags=["leadpulse"])

Lead: TypeAlias = Annotated[UUID, Query(alias="leadId", examples=[example.LEAD])]


@router.post(
    "/events", summary="Record what a lead did", response_model=EngagementNoted,
    responses=refuses(ENGAGEMENT, OF_LEAD), dependencies=[Once],
)  # fmt: skip
async def record(
    request: Request,
    caller: Writer,
    sent: Annotated[Taken[EngagementSent], Depends(Takes(EngagementSent))],
) -> Response:
    body = sent.said
    engagement_type(body.event_type)
    property_id = await caller.property_of_lead(core_of(request), body.lead_id)
    engagement_id = uuid7()

    async def work(uow: UnitOfWork) -> Answer:
        await uow.do(RecordEngagement(engagement_id, body.lead_id, body.event_type, body.metadata))
        event_id, event = uow.events[-1]
        weight = event.score_weight if isinstance(event, EngagementRecorded) else 0
        return {
            "success": True,
            "event": {
                "id": str(event_id), "leadId": str(event.lead), "eventType": body.event_type,
                "scoreWeight": weight, "createdAt": uow.scope.at,
            },
            "rescored": True,
        }  # fmt: skip

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


@router.get(
    "/events", summary="What a lead did, newest first", response_model=Engagements,
    responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def done(
    request: Request,
    caller: Reader,
    lead_id: Lead,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    async with caller.transaction(core_of(request).engine) as conn:
        lead = await _demand(conn, caller, lead_id)
        query = engagements.newest(caller.org_id, lead["members"], limit)
        rows = (await conn.execute(query)).all()
    return answered(
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


@router.get(
    "/score", summary="A lead's score as of now", response_model=ScoreRead,
    responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def score(request: Request, caller: Reader, lead_id: Lead) -> Response:
    async with caller.transaction(core_of(request).engine) as conn:
        found, is_new = await score_of(conn, caller, lead_id)
    return answered({"score": found, "isNew": is_new})


@router.post(
    "/score", summary="Scores as of now; they are always current, so nothing is written",
    response_model=Rescored | RescoredMany, responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def rescore(
    request: Request,
    caller: Reader,
    sent: Annotated[Taken[ScoringSent], Depends(Takes(ScoringSent))],
) -> Response:
    body = sent.said
    by_property = body.property_id if body.lead_id is None and body.lead_ids is None else None
    if by_property is not None:
        await caller.demand_property(core_of(request), by_property)
    async with caller.transaction(core_of(request).engine) as conn:
        if body.lead_id is not None:
            found, _is_new = await score_of(conn, caller, body.lead_id)
            return answered({"success": True, "score": found})
        if body.lead_ids is not None:
            query = leads.several(caller.org_id, body.lead_ids)
            known = {row.id for row in (await conn.execute(query)).all()}
            asked, there = len(body.lead_ids), sum(one in known for one in body.lead_ids)
        elif by_property is not None:
            there = asked = await conn.scalar(leads.count_of(by_property)) or 0
        else:
            raise Problem(400, "invalid", "leadId, leadIds or propertyId is needed")
    return answered(
        {"success": True, "processed": asked, "successful": there, "failed": asked - there}
    )


async def score_of(
    conn: AsyncConnection, caller: Person, lead_id: UUID
) -> tuple[dict[str, Any], bool]:
    """The score as of now, and whether it is another than the last one in the history.

    That of the lead it is known by: what was merged into it did counts too.
    """
    org, now = caller.org_id, datetime.now(UTC)
    lead = await _demand(conn, caller, lead_id)
    lead_id, members = lead["id"], lead["members"]
    visits = (await conn.execute(tours.of_leads(org, members))).all()
    since = now - timedelta(microseconds=WINDOW)
    window = (await conn.execute(engagements.counting(org, members, since))).all()
    inputs = inputs_of(
        lead,
        ((row.id, row.status) for row in visits),
        ((row.created_at, row.score_weight) for row in window),
        await conn.scalar(engagements.count_of(org, members)) or 0,
    )
    result = v1.score(inputs, micros(now))
    last = (await conn.execute(scores.newest(org, lead_id))).mappings().first()
    is_new = last is None or any(last[column] != value for column, value in _row(result).items())
    return {
        "id": last["id"] if last else None,
        "leadId": lead_id,
        "totalScore": result.total,
        "engagementScore": result.engagement,
        "timingScore": result.timing,
        "sourceScore": result.source,
        "completenessScore": result.completeness,
        "behaviorScore": result.behavior,
        "scoreBucket": result.bucket,
        "factors": result.factors,
        "scoredAt": now if last is None or is_new else last["scored_at"],
        "modelVersion": v1.VERSION,
    }, is_new


def _row(result: v1.Score) -> dict[str, Any]:
    return {
        "total_score": result.total, "engagement_score": result.engagement,
        "timing_score": result.timing, "source_score": result.source,
        "completeness_score": result.completeness, "behavior_score": result.behavior,
        "score_bucket": result.bucket,
    }  # fmt: skip


async def _demand(conn: AsyncConnection, caller: Person, lead_id: UUID) -> Mapping[str, Any]:
    lead = (await conn.execute(leads.person(caller.org_id, lead_id))).mappings().first()
    if lead is None:
        raise no_such("lead")
    return dict(lead)
