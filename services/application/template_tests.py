"""The use case of a test of a template: it is sent to the agent who asks for it, as a lead gets it.

Values that the lead lacks are replaced by samples, so every template can be tested. A test needs a
lead because a message always belongs to one, but the lead gets nothing.
"""

from dataclasses import dataclass
from datetime import time, timedelta
from uuid import UUID

from events.deliveries import DeliveryPurpose, MessageClass
from events.record import Stream
from events.tours import TourType
from events.workflows import MessageChannel
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads, templates
from services.deciders.contacts import email_key
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.deliveries import PlanDelivery
from services.deciders.message_values import TourDetails, collect_values
from services.deciders.rendering import render
from services.deciders.sending_rules.recipients import is_phone
from services.host import load_property

MARK = "[Test] "
SAMPLES = {"first_name": "Alex", "last_name": "Sample", "tour_link": "https://example.com/tour"}
SAMPLE_ADDRESS = "1 Sample Street"
SAMPLE_DAYS, SAMPLE_TIME = 2, time(14, 30)


@dataclass(frozen=True, slots=True)
class Tester:
    """The agent who tests a template, with the addresses of its account."""

    profile_id: UUID
    email: str | None
    phone: str | None

    def address(self, channel: MessageChannel) -> str:
        """Return the address for a channel. Raises `Refused` if the account has none."""
        address = self.email if channel is MessageChannel.EMAIL else self.phone
        if address is None:
            kind = "e-mail address" if channel is MessageChannel.EMAIL else "phone number"
            raise Refused(
                "no_recipient",
                f"your account has no {kind}: add one at your identity provider",
                400,
            )
        return address


def make_tester(profile_id: UUID, email: str | None, phone: str | None) -> Tester:
    """Return the agent with the addresses to which messages can be sent.

    Identity providers write a phone number in the form E.164, some of them without its plus.
    """
    digits = (phone or "").removeprefix("+")
    return Tester(
        profile_id,
        email if email and email_key(email) else None,
        f"+{digits}" if is_phone(f"+{digits}") else None,
    )


async def plan_template_test(
    uow: UnitOfWork, template_id: UUID, lead_id: UUID, delivery_id: UUID, tester: Tester
) -> MessageChannel:
    """Plan a test of the newest version of a template, active or not; return its channel.

    Raises `Refused`.
    """
    template = await uow.load(templates.decider, template_id)
    content = template.content
    if content is None:
        raise UnknownSubject(Stream("template", template_id))
    lead = await uow.load(leads.decider, await uow.surviving_lead(lead_id))
    if not lead.exists:
        raise UnknownSubject(Stream("lead", lead_id))
    host_property = await load_property(uow.conn, uow.scope.property_id)
    day = (uow.scope.at + timedelta(days=SAMPLE_DAYS)).date()
    known = collect_values(
        lead.details, host_property.name, host_property.address, host_property.settings,
        TourDetails(day, SAMPLE_TIME, TourType.IN_PERSON),
    )  # fmt: skip
    samples = {**SAMPLES, "property_address": SAMPLE_ADDRESS}
    values = {**samples, **{name: value for name, value in known.items() if value}}
    is_sms = content.channel is MessageChannel.SMS
    subject = None if is_sms else MARK + render(content.subject or "", values)
    await uow.execute(PlanDelivery(
        delivery_id, lead_id, content.channel, DeliveryPurpose.TEST, uow.scope.at,
        render(content.body, values), subject, template_id, template.version,
        requested_by=tester.profile_id, message_class=MessageClass.CONVERSATIONAL,
        recipient=tester.address(content.channel),
    ))  # fmt: skip
    return content.channel
