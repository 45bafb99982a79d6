"""Who is it? A lead is known by its e-mail first, by its phone next, by its session last."""

from uuid import UUID

from services.application.unit_of_work import UnitOfWork
from services.deciders.leads import CaptureLead, Details, Lead, UpdateLead


async def known_lead(uow: UnitOfWork, details: Details, session_lead: UUID | None) -> UUID | None:
    """The lead these details are of; where e-mail and phone disagree, e-mail wins."""
    owners = await uow.owner_of_contact(details.email, details.phone)
    if owners.email is not None:
        return owners.email
    for candidate in (owners.phone, session_lead):
        if candidate is None:
            continue
        lead: Lead = await uow.state(UpdateLead(candidate, {}))
        held = lead.details.get("email")
        if not details.email or not held or held == details.email:
            return await uow.known_as(candidate)
    return None


async def capture(
    uow: UnitOfWork,
    details: Details,
    *,
    lead_id: UUID,
    session_id: UUID | None = None,
    session_lead: UUID | None = None,
    note: str | None = None,
) -> UUID:
    """Capture or update a lead; the id it has. Raises `Refused`."""
    known = await known_lead(uow, details, session_lead)
    await uow.do(CaptureLead(lead_id, details, known, session_id=session_id, note=note))
    return known or lead_id
