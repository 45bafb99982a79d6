"""Reads of the host's tables: properties, profiles and messages that the core does not own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.log.connection import Connection
from events.record import Stream
from services.deciders.countries import find_country
from services.deciders.decider import Refused


@dataclass(frozen=True, slots=True)
class HostProperty:
    """A property as the host's table had it when it was read."""

    property_id: UUID
    org_id: UUID
    name: str
    address: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def time_zone(self) -> str:
        """Return the time zone. Raises `Refused` if none is set: a zone is never guessed."""
        zone = self.zone_name
        if zone is None:
            raise Refused("no_time_zone", "the property has no time zone: set its timezone", 409)
        return zone

    @property
    def zone_name(self) -> str | None:
        """Return the name of the time zone; None if none is set."""
        zone = self.settings.get("timezone")
        return zone if isinstance(zone, str) and zone else None

    @property
    def country(self) -> str:
        """Return the country as two letters, in which phone numbers and dates are read."""
        return find_country(self.settings, self.address)


async def load_property(conn: Connection, property_id: UUID) -> HostProperty:
    """Return a property. Raises `Refused` if the host has no such property."""
    row = await conn.fetchrow(
        "SELECT id, org_id, name, address, settings FROM public.properties "
        "WHERE id = $1 AND org_id IS NOT NULL",
        property_id,
    )
    if row is None:
        raise Refused("not_found", f"no property {property_id}", 404)
    return HostProperty(
        row["id"], row["org_id"], row["name"], _object(row["address"]), _object(row["settings"])
    )


async def find_stream_owner(conn: Connection, stream: Stream) -> tuple[UUID, UUID | None] | None:
    """Return the organisation and the property of a stream by the log; None if it is empty.

    A write of the host that is committed counts, although its event may not be in the log yet.
    """
    row = await conn.fetchrow(
        "SELECT org_id, property_id FROM public.crm_events "
        "WHERE entity_type = $1 AND entity_id = $2 AND version = 1 "
        "UNION ALL (SELECT org_id, property_id FROM crm.staged_changes "
        "WHERE entity_type = $1 AND entity_id = $2 ORDER BY seq LIMIT 1) LIMIT 1",
        stream.entity_type,
        stream.entity_id,
    )
    return None if row is None else (row["org_id"], row["property_id"])


async def find_unknown_profiles(
    conn: Connection, org_id: UUID, profiles: Iterable[UUID]
) -> set[UUID]:
    """Return the ids that are not profiles of the organisation."""
    requested = set(profiles)
    if not requested:
        return set()
    rows = await conn.fetch(
        "SELECT id FROM public.profiles WHERE id = ANY($1::uuid[]) AND org_id = $2",
        list(requested),
        org_id,
    )
    return requested - {row["id"] for row in rows}


async def find_host_messages(conn: Connection, messages: Iterable[UUID]) -> set[UUID]:
    """Return the ids that are messages of the host which were not adopted (yet).

    The query finds nothing if the host does not write its tables itself (adoption is `none`).
    """
    requested = set(messages)
    if not requested:
        return set()
    rows = await conn.fetch(
        "SELECT id FROM public.messages WHERE id = ANY($1::uuid[]) AND org_id IS NULL "
        "AND (SELECT state <> 'none' FROM crm.adoption)",
        list(requested),
    )
    return {row["id"] for row in rows}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
