"""The use case of a decision about consent that a person makes with the link in a message."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid5

import asyncpg

from events.consents import ConsentChannel, consent_id
from events.record import Cause, Stream
from services.application.opt_outs import ContactDecision, decide_for_contact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.application.unsubscribe_links import UnsubscribeLink
from services.deciders import consents, leads
from services.deciders.decider import Refused
from services.host import find_stream_owner, load_property

ACTOR = "consent:link"
CHANNELS = (ConsentChannel.EMAIL, ConsentChannel.SMS)
_FIELDS = {ConsentChannel.EMAIL: "email", ConsentChannel.SMS: "phone"}
_NAMESPACE = UUID("3c9e8f52-7a39-5ba4-8f0d-4cf2f2a5d9ab")


class Preferences(NamedTuple):
    """The decisions of a person, by channel: only the channels on which it can be reached.

    The value is False if consent is withdrawn.
    """

    org_id: UUID
    property_id: UUID
    property_name: str
    lead_id: UUID
    allowed: dict[ConsentChannel, bool]
    contacts: dict[ConsentChannel, str]


async def load_preferences(
    conn: asyncpg.Connection, link: UnsubscribeLink, now: datetime
) -> Preferences | None:
    """Return the decisions of the person of a link; None if its lead does not exist (any more)."""
    owner = await find_stream_owner(conn, Stream("lead", link.lead_id))
    if owner is None or owner[1] is None:
        return None
    org_id, property_id = owner[0], owner[1]
    uow = UnitOfWork(conn, Scope(org_id, property_id, now, Cause(ACTOR)), None)
    try:
        host_property = await load_property(conn, property_id)
    except Refused:
        return None
    lead_id = await uow.surviving_lead(link.lead_id)
    details = (await uow.load(leads.decider, lead_id)).details
    contacts = {
        channel: text
        for channel, field in _FIELDS.items()
        if isinstance(text := details.get(field), str) and text
    }
    allowed = {}
    for channel in CHANNELS:
        if channel in contacts or channel is link.channel:
            state = await uow.load(consents.decider, consent_id(lead_id, channel))
            allowed[channel] = state.given is not False
    return Preferences(org_id, property_id, host_property.name, lead_id, allowed, contacts)


async def decide_by_link(
    conn: asyncpg.Connection,
    preferences: Preferences,
    channel: ConsentChannel,
    *,
    given: bool,
    place: str,
    text: str,
    at: datetime,
) -> None:
    """Record a decision for the lead, and for every lead of the organisation with its contact.

    A decision that is in force already is not recorded again. Raises `Conflict`.
    """
    cause_id = uuid5(_NAMESPACE, f"{preferences.lead_id}/{channel}/{at.isoformat()}")
    await decide_for_contact(conn, ContactDecision(
        cause_id, preferences.org_id, channel, preferences.contacts.get(channel, ""), given, place,
        at, ACTOR, text, repeats=False,
        lead=(preferences.property_id, preferences.lead_id),
    ))  # fmt: skip
