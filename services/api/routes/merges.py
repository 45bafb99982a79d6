"""Merging leads that are one person, and taking that back."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.callers import Writer
from services.api.context import core_of
from services.api.error_codes import MERGE, OF_LEAD, UNMERGE, refuses
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, written
from services.api.routes.leads import own_row
from services.api.schemas.merges import LoserId, Merged, MergeSent, Unmerged, UnmergeSent
from services.application.merges import merge, unmerge
from services.application.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/leads/{lead_id}", tags=["leads"])


@router.post(
    "/merge", summary="Merge this lead into another", response_model=Merged,
    responses=refuses(OF_LEAD, MERGE), dependencies=[Once],
)  # fmt: skip
async def merge_into(
    request: Request,
    caller: Writer,
    lead_id: LoserId,
    sent: Annotated[Taken[MergeSent], Depends(Takes(MergeSent))],
) -> Response:
    """Its id keeps working, for what the other one is; a lead that was merged itself is passed by
    for the one it is known by."""
    body = sent.said
    property_id = await caller.property_of_lead(core_of(request), lead_id)

    async def work(uow: UnitOfWork) -> Answer:
        top = await merge(uow, lead_id, body.into_lead_id, reason=body.reason, by=caller.id)
        return {"lead": await own_row(uow, top), "merged": await own_row(uow, lead_id)}

    return await written(request, caller, caller.scope(property_id), sent.raw, work)


@router.post(
    "/unmerge", summary="This lead was merged by mistake", response_model=Unmerged,
    responses=refuses(OF_LEAD, UNMERGE), dependencies=[Once],
)  # fmt: skip
async def take_back(
    request: Request,
    caller: Writer,
    lead_id: LoserId,
    sent: Annotated[Taken[UnmergeSent], Depends(Takes(UnmergeSent))],
) -> Response:
    """What happened to each stays its own. A consent withdrawn meanwhile stays withdrawn for both,
    and runs that were stopped stay so."""
    property_id = await caller.property_of_lead(core_of(request), lead_id)

    async def work(uow: UnitOfWork) -> Answer:
        top = await unmerge(uow, lead_id, reason=sent.said.reason, by=caller.id)
        return {"lead": await own_row(uow, top), "unmerged": await own_row(uow, lead_id)}

    return await written(request, caller, caller.scope(property_id), sent.raw, work)
