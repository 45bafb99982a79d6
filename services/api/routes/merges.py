"""Routes that merge two leads and undo a merge."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleWriter
from services.api.context import context_of
from services.api.error_codes import MERGE, SUBJECT, UNMERGE, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.lead_rows import build_own_lead_row
from services.api.property_lookup import property_of_lead
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.merges import (
    LoserId,
    MergeRequest,
    MergeResponse,
    UnmergeRequest,
    UnmergeResponse,
)
from services.application.merges import merge, unmerge
from services.application.unit_of_work import UnitOfWork

router = APIRouter(prefix="/api/leads/{lead_id}", tags=["leads"])


@router.post(
    "/merge", summary="Merge this lead into another", response_model=MergeResponse,
    responses=error_responses(SUBJECT, MERGE), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def merge_lead(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LoserId,
    parsed: Annotated[ParsedBody[MergeRequest], Depends(BodyParser(MergeRequest))],
) -> Response:
    """Merge this lead into the lead `intoLeadId`.

    The id of this lead keeps working and then means the winner. If `intoLeadId` is itself a merged
    lead, its winner becomes the winner of this merge.
    """
    body = parsed.body
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        winner_id = await merge(uow, lead_id, body.into_lead_id, reason=body.reason, by=caller.id)
        return {
            "lead": await build_own_lead_row(uow, winner_id),
            "merged": await build_own_lead_row(uow, lead_id),
        }

    return await execute_write(request, caller, property_id, parsed.raw, work)


@router.post(
    "/unmerge", summary="Undo the merge of this lead", response_model=UnmergeResponse,
    responses=error_responses(SUBJECT, UNMERGE), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def unmerge_lead(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LoserId,
    parsed: Annotated[ParsedBody[UnmergeRequest], Depends(BodyParser(UnmergeRequest))],
) -> Response:
    """Make this lead separate again.

    Each lead keeps its own events. A consent that was withdrawn since the merge stays withdrawn
    for both leads, and stopped runs stay stopped.
    """
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        winner_id = await unmerge(uow, lead_id, reason=parsed.body.reason, by=caller.id)
        return {
            "lead": await build_own_lead_row(uow, winner_id),
            "unmerged": await build_own_lead_row(uow, lead_id),
        }

    return await execute_write(request, caller, property_id, parsed.raw, work)
