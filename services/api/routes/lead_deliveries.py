"""Routes of the messages to a lead: the state of each one with its reason, and cancelling one."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from services.api.auth.console_authentication import ConsoleReader, ConsoleWriter
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import DELIVERY, NOT_FOUND, SUBJECT, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.message_items import build_message_items, to_camel_case
from services.api.property_lookup import load_surviving_lead, property_of_lead
from services.api.responses import ResponseBody, execute_write, json_response
from services.api.schemas import example
from services.api.schemas.lead_deliveries import DeliveryListResponse
from services.api.schemas.schema import LeadId, SuccessResponse
from services.application.message_cancellation import cancel_message
from services.application.message_states import list_message_states
from services.application.unit_of_work import UnitOfWork
from services.application.unplanned_messages import list_unplanned_messages

DeliveryId = Annotated[UUID, Path(examples=[example.DELIVERY])]

router = APIRouter(prefix="/api/leads/{lead_id}/deliveries", tags=["workflows"])


@router.get(
    "", summary="List the messages to a lead", response_model=DeliveryListResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_deliveries(request: Request, caller: ConsoleReader, lead_id: LeadId) -> Response:
    """Return the newest messages with their state, the reason in plain words, and their history.

    `notPlanned` has the messages that a coming tour could have and that nobody planned.
    """
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
    async with context.pool.acquire() as pool_conn:
        states = await list_message_states(pool_conn, caller.org_id, lead["members"])
        now = context.clock.now()
        items = await build_message_items(pool_conn, states, now)
        scope = caller.scope(lead["property_id"], now)
        uow = UnitOfWork(pool_conn, scope, None)  # type: ignore[arg-type]
        unplanned = await list_unplanned_messages(uow, lead["members"])
    return json_response({
        "deliveries": items,
        "notPlanned": [to_camel_case(asdict(message)) for message in unplanned],
    })  # fmt: skip


@router.delete(
    "/{delivery_id}", summary="Cancel a message that was not sent yet",
    response_model=SuccessResponse, responses=error_responses(SUBJECT, DELIVERY),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def cancel_delivery(
    request: Request, caller: ConsoleWriter, lead_id: LeadId, delivery_id: DeliveryId
) -> Response:
    """Skip the message for good, with the caller as the person who cancelled it."""
    property_id = await property_of_lead(context_of(request), caller, lead_id)

    async def work(uow: UnitOfWork) -> ResponseBody:
        await cancel_message(uow, lead_id, delivery_id, caller.id)
        return {"success": True}

    return await execute_write(request, caller, property_id, delivery_id.bytes, work)
