"""Checks that an entity which a console user names belongs to the user's organisation."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from events.record import Stream
from projections import host, leads
from services.api.auth.console_users import ConsoleUser
from services.api.auth.row_security import read_as
from services.api.context import ApiContext
from services.api.problems import not_found
from services.api.reading import PreparedQuery, QueryRunner
from services.deciders.countries import find_country
from services.deciders.local_time import zone_or_utc
from services.host import find_stream_owner

_ORG = PreparedQuery(host.org_of_property, "property_id")
_PERSON = PreparedQuery(leads.person, "org_id", "lead_id")


async def property_of_stream(
    context: ApiContext, caller: ConsoleUser, stream: Stream, kind: str
) -> UUID:
    """Return the property of an entity, according to the log.

    Raise 404 for an unknown entity and for one of another organisation alike. `kind` names the
    entity in the message.
    """

    async def find() -> tuple[UUID, UUID | None] | None:
        async with context.pool.acquire() as conn:
            return await find_stream_owner(conn, stream)

    owner = await context.owners.load(stream, find)
    if owner is None or owner[0] != caller.org_id or owner[1] is None:
        raise not_found(kind)
    return owner[1]


async def property_of_lead(context: ApiContext, caller: ConsoleUser, lead_id: UUID) -> UUID:
    """Return the property of a lead of the caller's organisation. Raise 404."""
    return await property_of_stream(context, caller, Stream("lead", lead_id), "lead")


async def require_property(context: ApiContext, caller: ConsoleUser, property_id: UUID) -> None:
    """Raise 404 if the property does not belong to the caller's organisation."""
    async with read_as(context.pool, caller.claims) as conn:
        await require_property_row(conn, caller, property_id)


async def require_property_row(conn: QueryRunner, caller: ConsoleUser, property_id: UUID) -> None:
    """Do the same as `require_property` in an open transaction."""
    if await conn.scalar(_ORG(property_id=property_id)) != caller.org_id:
        raise not_found("property")


async def load_zone_of(conn: QueryRunner, caller: ConsoleUser, property_id: UUID) -> ZoneInfo:
    """Return the zone of a property of the caller's organisation, UTC without one. Raise 404."""
    row = await conn.first(host.settings_of_property(property_id))
    if row is None or row.org_id != caller.org_id:
        raise not_found("property")
    return zone_or_utc(row.settings.get("timezone") if isinstance(row.settings, dict) else None)


async def load_country(conn: QueryRunner, property_id: UUID) -> str:
    """Return the country in which phone numbers of the property are read."""
    row = await conn.first(host.settings_of_property(property_id))
    settings, address = (row.settings, row.address) if row is not None else (None, None)
    return find_country(
        settings if isinstance(settings, dict) else {}, address if isinstance(address, dict) else {}
    )


async def load_surviving_lead(
    conn: QueryRunner, caller: ConsoleUser, lead_id: UUID
) -> dict[str, Any]:
    """Return the row of the lead, or of the lead into which it was merged. Raise 404.

    Its `members` are the ids of all leads that were merged into it, and its own id.
    """
    row = await find_person(conn, caller, lead_id)
    if row is None:
        raise not_found("lead")
    return row


async def find_person(
    conn: QueryRunner, caller: ConsoleUser, lead_id: UUID
) -> dict[str, Any] | None:
    """Do the same as `load_surviving_lead`, but return None for an unknown lead."""
    row = await conn.first(_PERSON(org_id=caller.org_id, lead_id=lead_id))
    return None if row is None else dict(row)
