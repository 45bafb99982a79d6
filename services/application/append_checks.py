"""Checks of decided events against the host's tables, before they are appended."""

from collections.abc import Sequence
from uuid import UUID

from events.event import Event
from events.ids import message_event_id, message_id_of
from events.log.connection import Connection
from events.log.errors import Conflict, IdReused
from events.record import Stream
from services.deciders.decider import Refused
from services.host import find_host_messages, find_unknown_profiles


async def require_profiles(conn: Connection, org_id: UUID, profiles: set[UUID]) -> None:
    """Refuse unknown profile ids: the foreign key would park the event later."""
    if unknown := await find_unknown_profiles(conn, org_id, profiles):
        raise Refused(
            "unknown_profile", f"{min(unknown)} is not a profile of this organisation", 400
        )


async def require_free_messages(conn: Connection, events: Sequence[Event]) -> None:
    """Refuse the id of a message that the host stored itself: the rows would collide."""
    ids = [key for event in events if (key := message_id_of(event)) is not None]
    for message_id in await find_host_messages(conn, ids):
        raise IdReused(message_event_id(message_id))


async def require_own_event(conn: Connection, event_id: UUID, property_id: UUID) -> None:
    """Raise `Conflict` if another property took an event id after it was chosen: choose again."""
    owner: UUID | None = await conn.fetchval(
        "SELECT property_id FROM public.crm_events WHERE id = $1", event_id
    )
    if owner not in (None, property_id):
        raise Conflict(Stream("event", event_id), 0, 1)
