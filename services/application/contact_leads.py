"""The leads of an organisation that have a phone number or an e-mail address, by property."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from events.claims import EMAIL, PHONE, contact_value
from events.consents import ConsentChannel
from events.keys.ring import current_ring
from events.log.connection import Connection
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
from services.deciders.contacts import email_key, phone_key

MAX_LEADS = 1_000
"""The most leads of one organisation with one contact. More are a shared number of nobody."""

LeadsByProperty = Mapping[UUID, Sequence[UUID]]


async def find_contact_leads(
    conn: Connection, org_id: UUID, channel: ConsentChannel, contact: str
) -> LeadsByProperty:
    """Return property → the leads that may have the contact, ordered by id.

    The claims know a new lead at once. But a number that several leads of one property share is
    claimed by the first of them only: the others are in the table of leads.
    """
    is_email = channel is ConsentChannel.EMAIL
    key = email_key(contact) if is_email else phone_key(contact)
    rows = await conn.fetch(
        "SELECT c.scope AS property_id, c.owner AS lead_id FROM crm.claims c "
        "JOIN public.properties p ON p.id = c.scope "
        "WHERE p.org_id = $1 AND c.kind = $2 AND c.value = $3 "
        f"UNION SELECT property_id, id FROM public.leads WHERE {'email' if is_email else 'phone'} "
        "= $4 AND org_id = $1 ORDER BY 1, 2 LIMIT $5",
        org_id,
        EMAIL if is_email else PHONE,
        contact_value(key or contact, await current_ring().contact_key(conn)),
        contact,
        MAX_LEADS,
    )
    found: dict[UUID, list[UUID]] = {}
    for row in rows:
        found.setdefault(row["property_id"], []).append(row["lead_id"])
    return found


async def keep_leads_with_contact(
    uow: UnitOfWork, lead_ids: Sequence[UUID], channel: ConsentChannel, contact: str
) -> list[UUID]:
    """Return the surviving leads of those that have the contact now, in the same order.

    The log decides: the tables can be behind it.
    """
    kept: dict[UUID, None] = {}
    for lead_id in lead_ids:
        details = (await uow.load(leads.decider, lead_id)).details
        survivor = await uow.surviving_lead(lead_id)
        if survivor != lead_id:
            details = {**details, **(await uow.load(leads.decider, survivor)).details}
        if _has_contact(details, channel, contact):
            kept[survivor] = None
    return list(kept)


def _has_contact(details: Mapping[str, object], channel: ConsentChannel, contact: str) -> bool:
    field, key_of = (
        ("email", email_key) if channel is ConsentChannel.EMAIL else ("phone", phone_key)
    )
    stored = details.get(field)
    if not isinstance(stored, str):
        return False
    key = key_of(stored)
    return stored == contact or (key is not None and key == key_of(contact))
