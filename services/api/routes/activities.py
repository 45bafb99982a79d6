"""What people write down about a lead, among all that happened to it."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from projections import activities, leads
from services.api.auth.callers import Reader, Writer, no_such
from services.api.context import core_of
from services.api.error_codes import ACTIVITY, NOT_FOUND, OF_LEAD, refuses
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, written
from services.api.schemas.activities import ActivityNoted, ActivitySent
from services.api.schemas.leads import Activities
from services.api.schemas.schema import LeadId
from services.application.unit_of_work import UnitOfWork
from services.deciders.engagements import RecordActivity, activity_type

MOST_ACTIVITIES = 100
SHOWN = ("id", "type", "description", "metadata", "created_by", "created_at")

router = APIRouter(prefix="/api/leads/{lead_id}/activities", tags=["leads"])


@router.get(
    "", summary="The newest activities", response_model=Activities,
    responses=refuses(NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def newest(request: Request, caller: Reader, lead_id: LeadId) -> Response:
    async with caller.transaction(core_of(request).engine) as conn:
        person = (await conn.execute(leads.person(caller.org_id, lead_id))).first()
        if person is None:
            raise no_such("lead")
        query = activities.newest(caller.org_id, person.members, MOST_ACTIVITIES)
        rows = (await conn.execute(query)).all()
    return answered({"activities": [{key: getattr(row, key) for key in SHOWN} for row in rows]})


@router.post(
    "", status_code=201, summary="Write down what was done for a lead",
    response_model=ActivityNoted, responses=refuses(ACTIVITY, OF_LEAD), dependencies=[Once],
)  # fmt: skip
async def note(
    request: Request,
    caller: Writer,
    lead_id: LeadId,
    sent: Annotated[Taken[ActivitySent], Depends(Takes(ActivitySent))],
) -> Response:
    body = sent.said
    kind = activity_type(body.type)
    property_id = await caller.property_of_lead(core_of(request), lead_id)
    activity_id = uuid7()

    async def work(uow: UnitOfWork) -> Answer:
        await uow.do(RecordActivity(
            activity_id, lead_id, body.type, body.description, body.metadata, caller.id
        ))  # fmt: skip
        event_id, _ = uow.events[-1]
        return {
            "activity": {
                "id": event_id, "type": kind, "description": body.description,
                "metadata": body.metadata, "created_by": caller.id, "created_at": uow.scope.at,
            }
        }  # fmt: skip

    return await written(request, caller, caller.scope(property_id), sent.raw, work, 201)
