"""The use case of a message that a person cancels before it is sent."""

from uuid import UUID

from events.record import Stream
from services.application.unit_of_work import UnitOfWork
from services.deciders import hand_overs
from services.deciders.decider import UnknownSubject
from services.deciders.delivery_state import DeliveryStatus
from services.deciders.hand_overs import SkipDelivery

CANCELLED = "cancelled"


async def cancel_message(
    uow: UnitOfWork, lead_id: UUID, delivery_id: UUID, cancelled_by: UUID | None
) -> None:
    """Skip a message to a lead for good. A repetition changes nothing.

    Raises `Refused` if the lead has no such message, or if it is on the way or has ended already.
    """
    delivery = await uow.load(hand_overs.decider, delivery_id)
    planned = delivery.planned
    survivor = await uow.surviving_lead(lead_id)
    if planned is None or await uow.surviving_lead(planned.lead_id) != survivor:
        raise UnknownSubject(Stream("delivery", delivery_id))
    if (delivery.status, delivery.reason) == (DeliveryStatus.SKIPPED, CANCELLED):
        return
    await uow.execute(SkipDelivery(delivery_id, CANCELLED, skipped_by=cancelled_by))
