"""Messages as providers get them, made from a planned delivery, its lead and its property."""

from events.consents import ConsentChannel
from events.deliveries import DeliveryChannel, DeliveryPlanned, DeliveryPurpose, MessageClass
from events.log.secret_keys import load_secret_keys
from services.adapters.provider import OutgoingMessage
from services.application.attachments import build_attachments
from services.application.unit_of_work import UnitOfWork
from services.application.unsubscribe_links import make_unsubscribe_path
from services.deciders import leads
from services.deciders.deliveries import find_recipient
from services.deciders.message_values import format_address
from services.host import load_property


async def find_address(uow: UnitOfWork, planned: DeliveryPlanned) -> str | None:
    """Return where a message goes: the current address of the surviving lead.

    A webhook and a test of a template go to the address with which they were planned.
    """
    if planned.channel is DeliveryChannel.WEBHOOK or planned.purpose is DeliveryPurpose.TEST:
        return planned.recipient
    lead = await uow.load(leads.decider, await uow.surviving_lead(planned.lead_id))
    return find_recipient(lead, planned.channel)


async def build_message(uow: UnitOfWork, planned: DeliveryPlanned, attempt: int) -> OutgoingMessage:
    """Return the message of one attempt, with the name and the address of the property."""
    recipient = await find_address(uow, planned) or planned.recipient or ""
    host_property = await load_property(uow.conn, uow.scope.property_id)
    return OutgoingMessage(
        delivery_id=planned.delivery_id, attempt=attempt, org_id=host_property.org_id,
        property_id=host_property.property_id, channel=planned.channel,
        message_class=planned.message_class or MessageClass.CONVERSATIONAL,
        recipient=recipient, body=planned.body or "", subject=planned.subject,
        sender_name=host_property.name, postal_address=format_address(host_property.address),
        attachments=await build_attachments(uow, planned, recipient),
        unsubscribe_path=await _make_unsubscribe_path(uow, planned),
    )  # fmt: skip


async def _make_unsubscribe_path(uow: UnitOfWork, planned: DeliveryPlanned) -> str | None:
    """Return the link of a marketing message; other messages have none."""
    is_marketing = planned.message_class is MessageClass.MARKETING
    if not is_marketing or planned.channel is DeliveryChannel.WEBHOOK:
        return None
    keys = await load_secret_keys(uow.conn, "unsubscribe_link")
    return make_unsubscribe_path(keys, planned.lead_id, ConsentChannel(planned.channel))
