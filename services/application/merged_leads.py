"""The leads that were merged into a lead, by the claims of the log."""

from uuid import UUID

from events.claims import MERGED
from services.application.unit_of_work import UnitOfWork


async def list_members(uow: UnitOfWork, lead_id: UUID) -> list[UUID]:
    """Return the lead itself and all leads that were merged into it, directly or not."""
    rows = await uow.conn.fetch(
        "SELECT value FROM crm.claims WHERE kind = $1 AND scope = $2 AND owner = $3",
        MERGED,
        uow.scope.property_id,
        lead_id,
    )
    return [lead_id, *(UUID(row["value"]) for row in rows)]
