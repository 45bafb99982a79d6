"""A property as the host has it: its name, its zone, its country."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from events.record import Stream
from services.deciders.decider import Refused


@dataclass(frozen=True, slots=True)
class HostProperty:
    """One property, at the moment it was read."""

    property_id: UUID
    org_id: UUID
    name: str
    address: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def time_zone(self) -> str:
        """Raises `Refused`: a zone that is not set is never guessed."""
        zone = self.settings.get("timezone")
        if not isinstance(zone, str) or not zone:
            raise Refused("no_time_zone", "the property has no time zone: set its timezone", 409)
        return zone

    @property
    def country(self) -> str | None:
        """Two letters, where the host says so."""
        found = self.settings.get("country") or self.address.get("country")
        text = found.strip().upper() if isinstance(found, str) else ""
        return text if len(text) == 2 and text.isalpha() else None


async def load_property(conn: asyncpg.Connection, property_id: UUID) -> HostProperty:
    """Raises `Refused` where the host has no such property."""
    row = await conn.fetchrow(
        "SELECT id, org_id, name, address, settings FROM public.properties "
        "WHERE id = $1 AND org_id IS NOT NULL",
        property_id,
    )
    if row is None:
        raise Refused("not_found", f"no property {property_id}", 404)
    return HostProperty(row["id"], row["org_id"], row["name"], _object(row["address"]),
                 _object(row["settings"]))  # fmt: skip


async def find_stream_owner(
    conn: asyncpg.Connection, stream: Stream
) -> tuple[UUID, UUID | None] | None:
    """The organisation and property a stream lives in, by the log; None where it has not begun."""
    row = await conn.fetchrow(
        "SELECT org_id, property_id FROM public.crm_events "
        "WHERE entity_type = $1 AND entity_id = $2 AND version = 1",
        stream.entity_type,
        stream.entity_id,
    )
    return None if row is None else (row["org_id"], row["property_id"])


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
