"""Checks of decided events against the host's tables, before they are appended."""

from collections.abc import Sequence
from uuid import UUID

from events.event import Event
from events.ids import message_event_id, message_id_of
from events.log.connection import Connection
from events.log.errors import IdReused
from services.deciders.decider import Refused
from services.host import find_host_messages, find_unknown_profiles, profile_ids_in


async def require_profiles(conn: Connection, org_id: UUID, events: Sequence[Event]) -> None:
    """Refuse unknown profile ids: the foreign key would park the event later."""
    profiles = {key for event in events for key in profile_ids_in(event)}
    if unknown := await find_unknown_profiles(conn, org_id, profiles):
        raise Refused(
            "unknown_profile", f"{min(unknown)} is not a profile of this organisation", 400
        )


async def require_free_messages(conn: Connection, events: Sequence[Event]) -> None:
    """Refuse the id of a message that the host stored itself: the rows would collide."""
    ids = [key for event in events if (key := message_id_of(event)) is not None]
    for message_id in await find_host_messages(conn, ids):
        raise IdReused(message_event_id(message_id))


async def find_property_of_event(conn: Connection, event_id: UUID) -> UUID | None:
    """Return the property of an event in the log; None without one."""
    property_id: UUID | None = await conn.fetchval(
        "SELECT property_id FROM public.crm_events WHERE id = $1", event_id
    )
    return property_id
