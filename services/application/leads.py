"""Who is it? A lead is known by its e-mail first, by its phone next, by its session last."""

from uuid import UUID

from services.application.unit_of_work import Unit
from services.deciders.leads import CaptureLead, Details, Lead, UpdateLead


async def known_lead(unit: Unit, details: Details, session_lead: UUID | None) -> UUID | None:
    """The lead these details are of; where e-mail and phone disagree, e-mail wins."""
    owners = await unit.owner_of_contact(details.email, details.phone)
    if owners.email is not None:
        return owners.email
    for candidate in (owners.phone, session_lead):
        if candidate is None:
            continue
        lead: Lead = await unit.state(UpdateLead(candidate, {}))
        held = lead.details.get("email")
        if not details.email or not held or held == details.email:
            return await unit.known_as(candidate)
    return None


async def capture(
    unit: Unit,
    details: Details,
    *,
    lead_id: UUID,
    session_id: UUID | None = None,
    session_lead: UUID | None = None,
    note: str | None = None,
) -> UUID:
    """Capture or update a lead; the id it has. Raises `Refused`."""
    known = await known_lead(unit, details, session_lead)
    await unit.do(CaptureLead(lead_id, details, known, session_id=session_id, note=note))
    return known or lead_id
