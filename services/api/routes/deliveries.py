"""Route with which console users send messages to a lead."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.deliveries import DeliveryPurpose, DeliverySkipped
from events.log import commands
from events.record import Stream
from services.api.auth.console_authentication import ConsoleWriter
from services.api.change_reasons import explain_change
from services.api.context import context_of
from services.api.error_codes import MESSAGE, SUBJECT, error_responses
from services.api.idempotency import (
    CHECK_IDEMPOTENCY_KEY,
    command_from_header,
    delivery_id_candidates,
)
from services.api.problems import Problem
from services.api.property_lookup import property_of_lead
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import write_response
from services.api.schemas.deliveries import SendMessageRequest, SendMessageResponse
from services.api.schemas.schema import LeadId
from services.api.table_fit import require_fitting_tables
from services.application.command_handler import transact
from services.application.deliveries import MessageDraft, render_message
from services.application.unit_of_work import UnitOfWork
from services.deciders.deliveries import NO_CONSENT, PlanDelivery
from services.deciders.restrictions import RESTRICTED

router = APIRouter(prefix="/api/leads/{lead_id}", tags=["workflows"])


@router.post(
    "/send-message", summary="Send a message to a lead", response_model=SendMessageResponse,
    responses=error_responses(SUBJECT, MESSAGE), dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def send_message(
    request: Request,
    caller: ConsoleWriter,
    lead_id: LeadId,
    parsed: Annotated[ParsedBody[SendMessageRequest], Depends(BodyParser(SendMessageRequest))],
) -> Response:
    """Plan the delivery of a message. The sender hands it to the provider later.

    If the lead has withdrawn consent for the channel, nothing is sent: the response is 409 and the
    skipped delivery is stored with its reason. Without an Idempotency-Key, the same message within
    ten minutes is the same delivery.
    """
    body, context = parsed.body, context_of(request)
    _require_one_content(body)
    property_id = await property_of_lead(context, caller, lead_id)
    now = context.clock.now()
    command = command_from_header(request, caller, parsed.raw, now)
    if command:
        candidates = [uuid7()]
    else:
        digest = await commands.content_digest(context.pool, parsed.raw)
        candidates = delivery_id_candidates(caller.id, lead_id, digest, now)

    async def work(uow: UnitOfWork) -> Any:
        planned = [
            candidate
            for candidate in candidates
            if await uow.history(Stream("delivery", candidate))
        ]
        delivery_id = (planned or candidates)[0]
        if not planned:
            draft = MessageDraft(body.channel, body.message, body.template_slug, body.subject)
            message = await render_message(uow, lead_id, draft)
            await uow.execute(PlanDelivery(
                delivery_id, lead_id, body.channel, DeliveryPurpose.MANUAL, now, message.body,
                message.subject, message.template_id, message.template_version, caller.id,
            ))  # fmt: skip
            await explain_change(uow, request, caller)
        skips = [
            recorded.event
            for recorded in await uow.history(Stream("delivery", delivery_id))
            if isinstance(recorded.event, DeliverySkipped)
        ]
        return {
            "messageId": str(delivery_id),
            "channel": body.channel.value,
            "status": "skipped" if skips else "planned",
            "code": skips[0].reason if skips else None,
            "why": skips[0].detail if skips else None,
        }

    await require_fitting_tables(context, caller)
    result = await transact(context.pool, caller.scope(property_id, now), work, command_id=command)
    delivery = dict(result.result)
    code, skip_reason = delivery.pop("code"), delivery.pop("why")
    if delivery["status"] == "skipped":
        message = f"the lead has no consent for {body.channel} ({skip_reason}): use another channel"
        if code == RESTRICTED:
            message = f"{skip_reason}: the lead gets no messages"
        raise Problem(
            409, RESTRICTED if code == RESTRICTED else NO_CONSENT, message,
            details={"messageId": delivery["messageId"]},
        )  # fmt: skip
    return await write_response(context, caller, result, {"success": True, **delivery})


def _require_one_content(body: SendMessageRequest) -> None:
    if body.message is None and body.template_slug is None:
        raise Problem(
            400, "no_message", "message and templateSlug are both missing: send one of them"
        )
    if body.message is not None and body.template_slug is not None:
        raise Problem(
            400, "ambiguous_message", "message and templateSlug are both set: send one of them"
        )
