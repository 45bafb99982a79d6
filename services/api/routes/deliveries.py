"""Messages that people send to a lead: planned here, handed over by the sender."""

import hashlib
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.deliveries import DeliveryPurpose, DeliverySkipped
from events.record import Stream
from services.api.auth.callers import Writer
from services.api.context import core_of
from services.api.error_codes import MESSAGE, OF_LEAD, refuses
from services.api.problems import Problem
from services.api.request_body import Taken, Takes
from services.api.responses import Once, answered, command_of
from services.api.schemas.deliveries import MessagePlanned, MessageSent
from services.api.schemas.schema import LeadId
from services.application.command_handler import transact
from services.application.deliveries import Draft, letter
from services.application.unit_of_work import UnitOfWork
from services.deciders.deliveries import PlanDelivery

RETRY_SECONDS = 600

router = APIRouter(prefix="/api/leads/{lead_id}", tags=["workflows"])


@router.post(
    "/send-message", summary="Send a lead a message", response_model=MessagePlanned,
    responses=refuses(OF_LEAD, MESSAGE), dependencies=[Once],
)  # fmt: skip
async def send(
    request: Request,
    caller: Writer,
    lead_id: LeadId,
    sent: Annotated[Taken[MessageSent], Depends(Takes(MessageSent))],
) -> Response:
    """To somebody who has withdrawn consent nothing is sent: 409, and the reason is kept.

    Without an Idempotency-Key the same message within some minutes is one message.
    """
    body, core = sent.said, core_of(request)
    if body.message is None and body.template_slug is None:
        raise Problem(400, "no_message", "a message or a templateSlug is needed")
    if body.message is not None and body.template_slug is not None:
        raise Problem(400, "ambiguous_message", "a message or a templateSlug is needed, not both")
    property_id = await caller.property_of_lead(core, lead_id)
    once, scope = command_of(request, caller, sent.raw), caller.scope(property_id)
    ids = [uuid7()] if once else retry_ids(caller.id, lead_id, sent.raw, scope.at)

    async def work(uow: UnitOfWork) -> Any:
        known = [each for each in ids if await uow.history(Stream("delivery", each))]
        delivery_id = known[0] if known else ids[0]
        if not known:
            draft = Draft(body.channel, body.message, body.template_slug, body.subject)
            said = await letter(uow, lead_id, draft)
            await uow.do(PlanDelivery(
                delivery_id, lead_id, body.channel, DeliveryPurpose.MANUAL, scope.at, said.body,
                said.subject, said.template_id, said.template_version, caller.id,
            ))  # fmt: skip
        recorded_events = await uow.history(Stream("delivery", delivery_id))
        skipped = [
            recorded.event
            for recorded in recorded_events
            if isinstance(recorded.event, DeliverySkipped)
        ]
        return {
            "messageId": str(delivery_id),
            "channel": body.channel.value,
            "status": "skipped" if skipped else "planned",
            "why": skipped[0].detail if skipped else None,
        }

    handled = await transact(core.pool, scope, work, once=once)
    planned = dict(handled.result)
    why = planned.pop("why")
    if planned["status"] == "skipped":
        raise Problem(409, "no_consent", f"the lead wants no {body.channel}: {why}",
                      details={"messageId": planned["messageId"]})  # fmt: skip
    return answered({"success": True, **planned}, token=handled.token)


def retry_ids(person: UUID, lead_id: UUID, body: bytes, at: datetime) -> list[UUID]:
    """What the same message of the same person is called now, and just before and after.

    Clients that know no Idempotency-Key send again after a time-out: within ten to twenty minutes
    the same words are the same message. Of two at once, at the turn of a window, each looks under
    the other's name.
    """
    digest = hashlib.sha256(body).hexdigest()
    turn = int(at.timestamp()) // RETRY_SECONDS
    turns = (turn, turn - 1, turn + 1)
    return [uuid5(lead_id, f"message/{person}/{digest}/{each}") for each in turns]
