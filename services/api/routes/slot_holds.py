"""Route of slot holds: a place that is reserved while a visitor fills in the form."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.widget_authentication import WidgetVisitor
from services.api.error_codes import (
    HOLD_LIMIT,
    NO_VISITOR,
    SLOT,
    SLOT_CAPACITY,
    TOUR_TIME,
    TOURS_ENABLED,
    error_responses,
)
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.slot_holds import SlotHoldRequest, SlotHoldResponse
from services.application.slot_holds import hold_slot
from services.application.slot_requests import SlotRequest
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_places import VisitorIdentity

router = APIRouter(prefix="/api/lumaleasing/tours", tags=["widget"])


@router.post(
    "/hold", status_code=201, summary="Hold a place in a slot for ten minutes",
    response_model=SlotHoldResponse,
    responses=error_responses(
        TOURS_ENABLED, SLOT, NO_VISITOR, TOUR_TIME, SLOT_CAPACITY, HOLD_LIMIT
    ),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def hold_widget_slot(
    request: Request,
    caller: WidgetVisitor,
    parsed: Annotated[ParsedBody[SlotHoldRequest], Depends(BodyParser(SlotHoldRequest))],
) -> Response:
    body = parsed.body

    async def work(uow: UnitOfWork) -> ResponseBody:
        visitor = VisitorIdentity(
            caller.visitor_hash, body.session_id, (), caller.verified_session_id, caller.network
        )
        hold_id, expires_at = await hold_slot(uow, SlotRequest(body.slot_id), visitor)
        hold = {"id": hold_id, "slotId": body.slot_id, "expiresAt": expires_at}
        return {"success": True, "hold": hold}

    return await execute_write(request, caller, caller.property_id, parsed.raw, work, 201)
