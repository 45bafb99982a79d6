"""Rows of leads as they are after the decisions of an open unit of work."""

from typing import Any
from uuid import UUID

from events.record import Stream
from projections import leads
from services.application.rows import build_row
from services.application.unit_of_work import UnitOfWork


async def build_surviving_lead_row(uow: UnitOfWork, lead_id: UUID) -> dict[str, Any] | None:
    """Return the row of the lead, or of the lead into which it was merged."""
    return await build_own_lead_row(uow, await uow.surviving_lead(lead_id))


async def build_own_lead_row(uow: UnitOfWork, lead_id: UUID) -> dict[str, Any] | None:
    """Return the row of the lead with exactly this id, merged or not."""
    return build_row(leads.projection, lead_id, await uow.history(Stream("lead", lead_id)))
