"""The identification of a lead: first by its e-mail, then by its phone, then by its session.

Who knows an e-mail address or a phone number is not yet the person. Only a visitor whose session
owns the lead may change what is stored about it.
"""

from dataclasses import dataclass
from uuid import UUID

from events.claims import EMAIL, PHONE, contact_value
from events.keys.ring import current_ring
from events.leads import LeadCaptured
from events.log.connection import Connection
from events.record import Stream, is_visitor
from events.sessions import SessionIdentified, SessionStarted
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
from services.deciders.contacts import email_key, phone_key
from services.deciders.leads import CaptureLead, Details


@dataclass(frozen=True, slots=True)
class ContactOwners:
    """The leads that have an e-mail address and a phone number; None if no lead has it."""

    email: UUID | None = None
    phone: UUID | None = None


async def find_contact_owners(
    uow: UnitOfWork, email: str | None, phone: str | None
) -> ContactOwners:
    """Return the leads of the property that an e-mail address and a phone number belong to."""
    claimed = await read_contact_claims(uow.conn, uow.scope.property_id, email, phone)
    owners = {kind: await uow.surviving_lead(owner) for kind, owner in claimed.items()}
    return ContactOwners(owners.get(EMAIL), owners.get(PHONE))


async def read_contact_claims(
    conn: Connection, property_id: UUID, email: str | None, phone: str | None
) -> dict[str, UUID]:
    """Return kind of contact → the lead of the property that has claimed it.

    The lead may have been merged into another one since.
    """
    keys = ((EMAIL, email_key(email)), (PHONE, phone_key(phone)))
    given = {kind: key for kind, key in keys if key}
    if not given:
        return {}
    contact_key = await current_ring().contact_key(conn)
    values = {kind: contact_value(key, contact_key) for kind, key in given.items()}
    rows = await conn.fetch(
        "SELECT kind, owner FROM crm.claims JOIN unnest($2::text[], $3::text[]) "
        "AS contact (kind, value) USING (kind, value) WHERE scope = $1",
        property_id,
        list(values),
        list(values.values()),
    )
    return {row["kind"]: row["owner"] for row in rows}


async def owns_lead(uow: UnitOfWork, session_id: UUID | None, lead_id: UUID) -> bool:
    """Return whether the visitor of a session may change a lead.

    That is so if the lead was captured in this session, or if an agent or a producer linked the
    two. A link that a visitor made with an e-mail address or a phone number proves nothing.
    """
    if session_id is None:
        return False
    for recorded in await uow.history(Stream("lead", lead_id)):
        if isinstance(recorded.event, LeadCaptured) and recorded.event.session_id == session_id:
            return True
    links = [
        recorded
        for recorded in await uow.history(Stream("session", session_id))
        if isinstance(recorded.event, SessionStarted | SessionIdentified) and recorded.lead_id
    ]
    return bool(links) and links[-1].lead_id == lead_id and not is_visitor(links[-1].actor)


async def find_lead(
    uow: UnitOfWork,
    details: Details,
    session_lead: UUID | None,
    session_id: UUID | None = None,
) -> UUID | None:
    """Return the lead that the details belong to, if any.

    If e-mail and phone belong to different leads, the e-mail decides. An e-mail address that no
    lead has is a new lead, unless the session owns a lead without an address.
    """
    owners = await find_contact_owners(uow, details.email, details.phone)
    if owners.email is not None:
        return owners.email
    for candidate in (owners.phone, session_lead):
        if candidate is None:
            continue
        survivor = await uow.surviving_lead(candidate)
        email = (await uow.load(leads.decider, survivor)).details.get("email")
        if not details.email or (email and email_key(email) == email_key(details.email)):
            return survivor
        if not email and await owns_lead(uow, session_id, survivor):
            return survivor
    return None


async def capture_lead(
    uow: UnitOfWork,
    details: Details,
    *,
    lead_id: UUID,
    session_id: UUID | None = None,
    session_lead: UUID | None = None,
    note: str | None = None,
) -> UUID:
    """Capture a lead with the id `lead_id`, or update the lead that the details belong to.

    A session that does not own that lead fills only its empty details. Return the id of the lead.
    Raises `Refused`.
    """
    existing = await find_lead(uow, details, session_lead, session_id)
    fills_only = existing is not None and not await owns_lead(uow, session_id, existing)
    await uow.execute(CaptureLead(
        lead_id, details, existing, session_id=session_id, note=note, fills_only=fills_only
    ))  # fmt: skip
    return existing or lead_id
