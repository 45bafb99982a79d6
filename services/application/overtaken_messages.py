"""Messages that are not sent any more because the person wrote first, or wants none."""

from collections.abc import Sequence
from uuid import UUID

from events.deliveries import DeliveryChannel, MessageClass
from services.application.unit_of_work import UnitOfWork
from services.deciders import hand_overs
from services.deciders.delivery_state import OPEN
from services.deciders.hand_overs import SkipDelivery

NO_CONSENT, REPLY_RECEIVED = "no_consent", "reply_received"
MAX_MESSAGES = 200
_DETAILS = {
    NO_CONSENT: "the person stopped the messages of this channel",
    REPLY_RECEIVED: "the person wrote before this message was sent",
}


async def skip_open_messages(
    uow: UnitOfWork,
    lead_ids: Sequence[UUID],
    reason: str,
    *,
    channel: DeliveryChannel | None = None,
    message_class: MessageClass | None = None,
) -> int:
    """Skip the messages of the leads that nobody has begun to hand over; return their number.

    Only those of the channel and of the class, if they are given.
    """
    rows = await uow.conn.fetch(
        "SELECT entity_id FROM public.crm_events WHERE lead_id = ANY($1::uuid[]) "
        "AND entity_type = 'delivery' AND event_type = 'delivery.planned' AND property_id = $2 "
        "ORDER BY seq DESC LIMIT $3",
        list(lead_ids),
        uow.scope.property_id,
        MAX_MESSAGES,
    )
    number = 0
    for row in rows:
        delivery = await uow.load(hand_overs.decider, row["entity_id"])
        planned = delivery.planned
        if planned is None or delivery.status not in OPEN:
            continue
        if channel is not None and planned.channel is not channel:
            continue
        if message_class is not None and planned.message_class is not message_class:
            continue
        await uow.execute(SkipDelivery(row["entity_id"], reason, _DETAILS[reason]))
        number += 1
    return number
