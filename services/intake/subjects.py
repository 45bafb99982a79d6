"""What an observed event is about and must be there before it, and what it makes be there."""

from collections.abc import Iterable
from uuid import UUID

from events.chat import ConversationMessageReceived, ConversationStarted, SessionStarted
from events.engagements import ActivityRecorded, EngagementRecorded
from events.event import Event
from events.log.connection import Connection
from events.record import Stream


def needs(event: Event) -> list[Stream]:
    """The streams that must have begun in the same property: rows refer to them."""
    match event:
        case EngagementRecorded() | ActivityRecorded():
            return [Stream("lead", event.lead_id)]
        case SessionStarted():
            return _named(lead=event.lead_id)
        case ConversationStarted():
            return _named(lead=event.lead_id, session=event.session_id)
        case ConversationMessageReceived():
            return [
                *_named(lead=event.lead_id, session=event.session_id),
                Stream("conversation", event.conversation_id),
            ]
        case _:
            return []


def begins(event: Event) -> Stream | None:
    """The stream an observed event may begin, for others to be about."""
    match event:
        case SessionStarted() | ConversationStarted():
            return Stream(event.stream, event.stream_id)
        case _:
            return None


async def owners(conn: Connection, streams: Iterable[Stream]) -> dict[Stream, UUID | None]:
    """The property each stream that has begun lives in."""
    wanted = list(set(streams))
    if not wanted:
        return {}
    rows = await conn.fetch(
        """
        SELECT e.entity_type, e.entity_id, e.property_id
        FROM unnest($1::text[], $2::uuid[]) AS wanted (kind, id)
        JOIN public.crm_events e
          ON e.entity_type = wanted.kind AND e.entity_id = wanted.id AND e.version = 1
        """,
        [stream.entity_type for stream in wanted],
        [stream.entity_id for stream in wanted],
    )
    return {Stream(row["entity_type"], row["entity_id"]): row["property_id"] for row in rows}


def _named(**ids: UUID | None) -> list[Stream]:
    return [Stream(kind, key) for kind, key in ids.items() if key is not None]
