"""Contacts to which nothing more is sent, because the person or its provider ended it."""

from datetime import datetime
from uuid import UUID, uuid5

from events.consents import ConsentChannel
from events.deliveries import (
    DeliveryChannel,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryPlanned,
    DeliveryPurpose,
)
from events.record import RecordedEvent, Stream
from services.adapters.provider import OPTED_OUT, UNKNOWN_ADDRESS
from services.application.opt_outs import ContactDecision, decide_for_contact
from services.application.unit_of_work import UnitOfWork

PLACES = {OPTED_OUT: "provider", UNKNOWN_ADDRESS: "bounce"}
"""Code of a failure that ends all messages to a contact → the place of the decision."""
COMPLAINT = "complaint"
_CHANNELS = {
    DeliveryChannel.SMS: ConsentChannel.SMS, DeliveryChannel.EMAIL: ConsentChannel.EMAIL,
}  # fmt: skip


async def suppress_failed_contact(
    uow: UnitOfWork, recorded: RecordedEvent, event: DeliveryFailed
) -> None:
    """Withdraw consent of each lead with the contact of a failed message, if its code says so."""
    place = PLACES.get(event.code or "")
    if place is not None:
        await withdraw_for_delivery(
            uow, event.delivery_id, place, recorded.occurred_at, event.reason, recorded.id
        )


async def withdraw_for_delivery(
    uow: UnitOfWork, delivery_id: UUID, place: str, at: datetime, text: str, cause_id: UUID
) -> None:
    """Withdraw consent of each lead of the organisation with the recipient of a delivery.

    A test of a template went to an agent and not to the lead.
    """
    recipient = external_id = None
    channel: ConsentChannel | None = None
    for recorded in await uow.history(Stream("delivery", delivery_id)):
        if isinstance(event := recorded.event, DeliveryPlanned):
            if event.purpose is DeliveryPurpose.TEST:
                return
            channel, recipient = _CHANNELS.get(event.channel), event.recipient
        elif isinstance(event, DeliveryHandedOver):
            recipient, external_id = event.recipient or recipient, event.external_id
    if channel is None or recipient is None:
        return
    await decide_for_contact(uow.conn, ContactDecision(
        uuid5(cause_id, "suppression"), uow.scope.org_id, channel, recipient, False, place, at,
        uow.scope.cause.actor, text, source=external_id or str(delivery_id), repeats=False,
    ))  # fmt: skip
