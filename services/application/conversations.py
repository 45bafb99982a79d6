"""The use case of an agent's answer, which is also a contact with the lead.

An answer in a conversation by SMS or e-mail is also a message that the sender hands over.
"""

from uuid import UUID, uuid5

from events.conversations import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationStarted,
)
from events.deliveries import DeliveryPurpose, DeliverySkipped, MessageClass
from events.event import Event
from events.leads import ContactChannel
from events.record import Stream
from events.workflows import MessageChannel
from services.application.unit_of_work import UnitOfWork
from services.deciders.conversations import PostAgentAnswer
from services.deciders.decider import Refused
from services.deciders.deliveries import PlanDelivery
from services.deciders.leads import ContactLead
from services.deciders.restrictions import RESTRICTED

SENT_CHANNELS = {
    ConversationChannel.SMS: MessageChannel.SMS,
    ConversationChannel.EMAIL: MessageChannel.EMAIL,
}
"""The conversations whose messages leave by a provider; the visitor reads the others."""


async def post_agent_answer(uow: UnitOfWork, command: PostAgentAnswer) -> list[Event]:
    """Append an agent's answer, its delivery, and the contact if the visitor is a lead.

    Raises `Refused`, also if the answer cannot be sent to the lead: then nothing is stored.
    """
    events = await uow.execute(command)
    for event in events:
        if not isinstance(event, ConversationAnswered):
            continue
        channel = SENT_CHANNELS.get(await _find_channel(uow, event.conversation_id))
        if channel is not None:
            events = [*events, *await _plan_answer(uow, event, channel)]
        if event.lead_id is not None:
            contact = ContactLead(event.lead_id, ContactChannel.CHAT, event.agent_id)
            events = [*events, *await uow.execute(contact)]
    return events


async def _find_channel(uow: UnitOfWork, conversation_id: UUID) -> ConversationChannel:
    """Return the channel with which the conversation began."""
    for recorded in await uow.history(Stream("conversation", conversation_id)):
        if isinstance(recorded.event, ConversationStarted | ConversationAdopted):
            return recorded.event.channel
    return ConversationChannel.CHAT


async def _plan_answer(
    uow: UnitOfWork, answer: ConversationAnswered, channel: MessageChannel
) -> list[Event]:
    """Plan to send an answer. Raises `Refused` if the lead is unknown or has opted out."""
    if answer.lead_id is None:
        raise Refused(
            "no_recipient", f"nobody is known in this conversation to send an {channel} to", 400
        )
    subject = f"Message from {(await uow.load_property()).name}"
    planned = await uow.execute(PlanDelivery(
        uuid5(answer.message_id, "delivery"), answer.lead_id, channel,
        DeliveryPurpose.CONVERSATION, uow.scope.at, answer.content, subject=subject,
        requested_by=answer.agent_id,
        message_class=MessageClass.CONVERSATIONAL, message_id=answer.message_id,
    ))  # fmt: skip
    skipped = [event for event in planned if isinstance(event, DeliverySkipped)]
    if skipped and skipped[0].reason == RESTRICTED:
        raise Refused(RESTRICTED, f"{skipped[0].detail}: the lead gets no {channel}")
    if skipped:
        raise Refused(
            "no_consent",
            f"the lead has no consent for {channel} ({skipped[0].detail}): use another channel",
        )
    return planned
