"""The use case of a rectification: wrong details of a person are corrected."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.application.leads import find_contact_owners
from services.application.unit_of_work import UnitOfWork
from services.deciders.privacy import RectifyLead


async def rectify(
    uow: UnitOfWork, lead_id: UUID, changes: Mapping[str, Any], *, reason: str, by: UUID | None
) -> UUID:
    """Correct details of a person; return the surviving lead.

    Nothing happens if all details have the values already. The wrong values stay in old events.
    Raises `Refused`, with the code `known_lead` for an e-mail address of another lead.
    """
    owner = (await find_contact_owners(uow, changes.get("email"), None)).email
    await uow.execute(RectifyLead(lead_id, changes, reason, by, owner))
    return await uow.surviving_lead(lead_id)
