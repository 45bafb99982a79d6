"""The identification of a lead: first by its e-mail, then by its phone, then by its session."""

from dataclasses import dataclass
from uuid import UUID

from events.claims import EMAIL, PHONE, claim_value, is_identifying
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
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
    values = {
        kind: claim_value(text)
        for kind, text in ((EMAIL, email), (PHONE, phone))
        if text and is_identifying(kind, text)
    }
    if not values:
        return ContactOwners()
    rows = await uow.conn.fetch(
        "SELECT kind, owner FROM crm.claims JOIN unnest($2::text[], $3::text[]) "
        "AS contact (kind, value) USING (kind, value) WHERE scope = $1",
        uow.scope.property_id,
        list(values),
        list(values.values()),
    )
    owners = {row["kind"]: await uow.surviving_lead(row["owner"]) for row in rows}
    return ContactOwners(owners.get(EMAIL), owners.get(PHONE))


async def find_lead(uow: UnitOfWork, details: Details, session_lead: UUID | None) -> UUID | None:
    """Return the lead that the details belong to, if any.

    If e-mail and phone belong to different leads, the e-mail decides.
    """
    owners = await find_contact_owners(uow, details.email, details.phone)
    if owners.email is not None:
        return owners.email
    for candidate in (owners.phone, session_lead):
        if candidate is None:
            continue
        survivor = await uow.surviving_lead(candidate)
        email = (await uow.load(leads.decider, survivor)).details.get("email")
        if not details.email or not email or email == details.email:
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

    Return the id of the lead. Raises `Refused`.
    """
    existing = await find_lead(uow, details, session_lead)
    await uow.execute(CaptureLead(lead_id, details, existing, session_id=session_id, note=note))
    return existing or lead_id
