"""The development users of an organisation: one profile for each role."""

from typing import Literal
from uuid import UUID, uuid5

from services.runtime.database import connect
from services.runtime.settings import Settings
from services.runtime.terminal import Failure

Role = Literal["admin", "manager", "viewer"]


async def find_property(settings: Settings) -> UUID | None:
    """Return the oldest property; None if there is none."""
    conn = await connect(settings, "crm console", role=None)
    try:
        found: UUID | None = await conn.fetchval(
            "SELECT id FROM properties WHERE org_id IS NOT NULL ORDER BY created_at, id LIMIT 1"
        )
    finally:
        await conn.close()
    return found


async def ensure_user(
    settings: Settings, property_id: UUID | None, org_id: UUID | None, role: Role
) -> UUID:
    """Return the development user of an organisation and role; create the profile if needed.

    The id derives from both, so that a repetition returns the same user.
    """
    conn = await connect(settings, "crm token", role=None)
    try:
        organization: UUID | None = await conn.fetchval(
            "SELECT org_id FROM properties WHERE id = $1 "
            "UNION ALL SELECT id FROM organizations WHERE id = $2",
            property_id,
            org_id,
        )
        if organization is None:
            raise Failure(f"there is no property or organisation {property_id or org_id}")
        profile_id = uuid5(organization, f"development/{role}")
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (id) DO NOTHING",
            profile_id,
            organization,
            role,
            f"Development {role}",
        )
    finally:
        await conn.close()
    return profile_id
