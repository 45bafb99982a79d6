"""Messages that people send to a lead: planned here, handed over by the sender."""

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.deliveries import DeliveryPurpose, DeliverySkipped
from services.deciders.deliveries import PlanDelivery
from services.handle import transact
from services.handling.letters import Draft, letter
from services.handling.unit import Unit
from services.http.answers import Once, answered, command_of, json_of
from services.http.bodies import Taken, Takes
from services.http.callers import Writer
from services.http.core import core_of
from services.http.problems import Problem
from services.http.refusals import MESSAGE, OF_LEAD, refuses
from services.http.shapes.deliveries import MessagePlanned, MessageSent
from services.http.shapes.shape import LeadId

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
    """To somebody who has withdrawn consent nothing is sent: 409, and the reason is kept."""
    body, core = sent.said, core_of(request)
    if body.message is None and body.template_slug is None:
        raise Problem(400, "no_message", "a message or a templateSlug is needed")
    if body.message is not None and body.template_slug is not None:
        raise Problem(400, "ambiguous_message", "a message or a templateSlug is needed, not both")
    property_id = await caller.property_of_lead(core, lead_id)
    delivery_id = uuid7()

    async def work(unit: Unit) -> Any:
        draft = Draft(body.channel, body.message, body.template_slug, body.subject)
        said = await letter(unit, lead_id, draft)
        events = await unit.do(PlanDelivery(
            delivery_id, lead_id, body.channel, DeliveryPurpose.MANUAL, unit.scope.at, said.body,
            said.subject, said.template_id, said.template_version, caller.id,
        ))  # fmt: skip
        skipped = [event for event in events if isinstance(event, DeliverySkipped)]
        status, why = ("skipped", skipped[0].detail) if skipped else ("planned", None)
        return orjson.loads(json_of(_planned(delivery_id, body, status) | {"why": why}))

    once = command_of(request, caller, sent.raw)
    handled = await transact(core.pool, caller.scope(property_id), work, once=once)
    planned = dict(handled.result)
    why = planned.pop("why")
    if planned["status"] == "skipped":
        raise Problem(409, "no_consent", f"the lead wants no {body.channel}: {why}",
                      details={"messageId": planned["messageId"]})  # fmt: skip
    return answered({"success": True, **planned}, token=handled.token)


def _planned(delivery_id: UUID, body: MessageSent, status: str) -> dict[str, Any]:
    return {"messageId": delivery_id, "channel": body.channel, "status": status}
