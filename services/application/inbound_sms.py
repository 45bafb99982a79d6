"""The use case of an SMS that a person sends: a keyword about consent, or a message to a lead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from events.consents import ConsentChannel
from events.conversations import ConversationChannel
from events.deliveries import DeliveryChannel, DeliveryPurpose, MessageClass
from events.engagements import EngagementType
from events.log.connection import Connection
from events.workflows import MessageChannel
from services.application.contact_leads import find_contact_leads
from services.application.contact_opt_outs import store_contact_decision
from services.application.opt_outs import SMS_REPLY, ContactDecision, decide_for_contact
from services.application.overtaken_messages import NO_CONSENT, REPLY_RECEIVED, skip_open_messages
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
from services.deciders.contacts import normalize_phone
from services.deciders.conversations import WaitForAgent
from services.deciders.decider import Refused
from services.deciders.deliveries import PlanDelivery, find_recipient
from services.deciders.engagements import RecordEngagement
from services.deciders.lead_messages import ReceiveLeadMessage
from services.deciders.leads import NoteLead
from services.deciders.opt_out_words import Meaning, Reading, read_message
from services.deciders.tasks import CreateTask
from services.host import HostProperty, load_property

ACTOR = "provider:sms"
OPT_OUT_REQUEST, SMS_RECEIVED = "opt_out_request", "sms_received"
"""The reasons for which a conversation waits for an agent."""
OPT_OUT_NOTE = "The lead seems to want no more messages. It wrote:"
OPT_OUT_TASK = "Record that the lead wants no more messages, or ask it"
OPT_OUT_LIMIT = timedelta(days=1)
"""Time in which an agent should decide. The law gives ten business days: 47 CFR 64.1200(a)(10)."""
_NAMESPACE = UUID("0b0a5f4e-2f3f-5f0e-9d57-7d1c8ac6d1f3")
_CONTACT_KEYS = ("contact_phone", "phone", "contact_email", "email")
_MAX_NAME = 60
_GIVEN: Mapping[Meaning, bool] = {Meaning.STOP: False, Meaning.START: True}


@dataclass(frozen=True, slots=True)
class InboundSms:
    """An SMS to the number of an organisation.

    `external_id` is the provider's id. `provider_meaning` is the keyword that the provider itself
    recognised and answered.
    """

    org_id: UUID
    external_id: str
    sender: str
    text: str
    at: datetime
    provider_meaning: Meaning | None = None


async def receive_sms(conn: asyncpg.Connection, sms: InboundSms) -> int:
    """Act on an SMS; return the number of leads with this number, 0 for an unknown one.

    A keyword acts on all leads of the organisation with the number, also on later ones. The message
    itself belongs to the conversation of one of them: the one to whom the organisation sent the
    last SMS. A repetition changes nothing.
    """
    try:
        number = normalize_phone(sms.sender) or ""
    except Refused:
        return 0  # a sender that is a word or a short code: nobody can be found by it
    reading = read_message(sms.text, sms.at)
    if sms.provider_meaning is not None:
        reading = Reading(sms.provider_meaning, reading.keyword or sms.provider_meaning.upper())
    cause_id = uuid5(_NAMESPACE, f"{sms.org_id}/{sms.external_id}")
    decision = ContactDecision(
        cause_id, sms.org_id, ConsentChannel.SMS, number, _GIVEN.get(reading.meaning),
        SMS_REPLY, sms.at, ACTOR, sms.text, reading.keyword, sms.external_id,
    )  # fmt: skip
    async with conn.transaction():
        receiver = await _find_receiver(conn, sms.org_id, number)

        async def more(uow: UnitOfWork, lead_ids: Sequence[UUID]) -> None:
            if reading.meaning is Meaning.STOP:
                await skip_open_messages(uow, lead_ids, NO_CONSENT, channel=DeliveryChannel.SMS)
            lead_id = await uow.surviving_lead(receiver)
            if lead_id in lead_ids:
                await _receive(uow, lead_id, sms, reading, cause_id)

        if decision.given is not None:
            await store_contact_decision(
                conn, sms.org_id, decision.channel, number, decision.given, sms.at, sms.external_id
            )
        return await decide_for_contact(conn, decision, more)


async def _find_receiver(conn: Connection, org_id: UUID, number: str) -> UUID:
    """Return the lead with the number that got the last SMS; without one, the most recent lead."""
    found = await find_contact_leads(conn, org_id, ConsentChannel.SMS, number)
    lead_ids = sorted(lead_id for ids in found.values() for lead_id in ids)
    receiver: UUID | None = await conn.fetchval(
        "SELECT lead_id FROM public.crm_events WHERE lead_id = ANY($1::uuid[]) ORDER BY "
        "event_type = 'delivery.handed_over' AND payload->>'channel' = 'sms' DESC, seq DESC "
        "LIMIT 1",
        lead_ids,
    )
    return receiver or _NAMESPACE


async def _receive(
    uow: UnitOfWork, lead_id: UUID, sms: InboundSms, reading: Reading, cause_id: UUID
) -> None:
    conversation_id = uuid5(_NAMESPACE, f"{lead_id}/sms")
    message_id = uuid5(cause_id, "message")
    await uow.execute(ReceiveLeadMessage(
        lead_id, conversation_id, message_id, sms.text, ConversationChannel.SMS
    ))  # fmt: skip
    await skip_open_messages(uow, [lead_id], REPLY_RECEIVED, message_class=MessageClass.MARKETING)
    match reading.meaning:
        case Meaning.STOP | Meaning.START:
            return
        case Meaning.HELP:
            if sms.provider_meaning is None:
                await _answer_help(uow, lead_id, sms, uuid5(cause_id, "help"))
        case Meaning.REVOCATION:
            await uow.execute(NoteLead(lead_id, f"{OPT_OUT_NOTE} {sms.text}"))
            await uow.execute(CreateTask(
                uuid5(cause_id, "task"), lead_id, OPT_OUT_TASK, due_at=sms.at + OPT_OUT_LIMIT
            ))  # fmt: skip
            await uow.execute(WaitForAgent(conversation_id, OPT_OUT_REQUEST))
        case Meaning.OTHER:
            await uow.execute(RecordEngagement(
                uuid5(cause_id, "engagement"), lead_id, EngagementType.SMS_REPLIED,
                {"conversation_id": str(conversation_id)},
            ))  # fmt: skip
            await uow.execute(WaitForAgent(conversation_id, SMS_RECEIVED))


async def _answer_help(uow: UnitOfWork, lead_id: UUID, sms: InboundSms, delivery_id: UUID) -> None:
    """Plan the answer to HELP: who sends, how to reach a person, how to stop."""
    lead = await uow.load(leads.decider, lead_id)
    if find_recipient(lead, MessageChannel.SMS) is None:
        return
    host_property = await load_property(uow.conn, uow.scope.property_id)
    await uow.execute(PlanDelivery(
        delivery_id, lead_id, MessageChannel.SMS, DeliveryPurpose.CONVERSATION, sms.at,
        _help_text(host_property), message_class=MessageClass.CONVERSATIONAL, caused_at=sms.at,
    ))  # fmt: skip


def _help_text(host_property: HostProperty) -> str:
    contact = next(
        (str(value) for key in _CONTACT_KEYS if (value := _text(host_property, key))), ""
    )
    reach = f" Contact us: {contact}." if contact else " An agent will answer you."
    name = host_property.name[:_MAX_NAME]
    return f"{name}: you get messages about your visit.{reach} Reply STOP to get no more."


def _text(host_property: HostProperty, key: str) -> Any:
    value = host_property.settings.get(key) or host_property.address.get(key)
    return value if isinstance(value, str) and value.strip() else None
