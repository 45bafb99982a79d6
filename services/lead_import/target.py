"""The property that leads are imported into, with the values that reading of lines needs."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from events.keys.ring import current_ring
from services.deciders.decider import Refused
from services.deciders.local_time import load_zone
from services.host import HostProperty, load_property
from services.lead_import.line_values import ImportTarget
from services.lead_import.mapping import ColumnMapping, InvalidMapping


async def load_target(
    pool: asyncpg.Pool,
    property_id: UUID,
    mapping: ColumnMapping,
    start: datetime | None = None,
    interval: timedelta = timedelta(0),
) -> ImportTarget:
    """Return the target of an import. Raise `InvalidMapping` if it lacks a zone or a profile."""
    async with pool.acquire() as conn:
        try:
            host_property = await load_property(conn, property_id)
            zone = _zone(host_property, mapping)
        except Refused as refused:
            raise InvalidMapping(f"{refused.message} (see `crm property list`)") from None
        contact_key = await current_ring().contact_key(conn)
        rows = await conn.fetch(
            "SELECT id, full_name FROM public.profiles WHERE org_id = $1", host_property.org_id
        )
    names = Counter(row["full_name"].casefold() for row in rows if row["full_name"])
    agents = {str(row["id"]): row["id"] for row in rows}
    # Two profiles of one name: which of them the file means is unknown.
    agents |= {
        row["full_name"].casefold(): row["id"]
        for row in rows
        if row["full_name"] and names[row["full_name"].casefold()] == 1
    }
    _check_agents(mapping, set(agents.values()))
    return ImportTarget(
        host_property.org_id, property_id, zone, datetime.now(UTC), host_property.country,
        contact_key, agents, start, interval,
    )  # fmt: skip


def _zone(host_property: HostProperty, mapping: ColumnMapping) -> ZoneInfo:
    return load_zone(mapping.zone or host_property.time_zone)


def _check_agents(mapping: ColumnMapping, profiles: set[UUID]) -> None:
    part = mapping.lead.assigned
    unknown = set(part.values.values()) - profiles if part is not None else set()
    if unknown:
        raise InvalidMapping(
            f"lead.assigned.values: {min(unknown)} is not a profile of this organisation"
        )
