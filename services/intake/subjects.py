"""The owner of each subject and the survivor of each merged lead, read from the log."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from events.log.connection import Connection
from events.merges import LeadMerged, LeadUnmerged
from events.record import Stream
from services.application.client_ids import IdOwner


async def load_stream_owners(conn: Connection, streams: Iterable[Stream]) -> dict[Stream, IdOwner]:
    """Return stream → its organisation and property, for each of `streams` that has begun."""
    keys = list(set(streams))
    if not keys:
        return {}
    rows = await conn.fetch(
        """
        SELECT e.entity_type, e.entity_id, e.org_id, e.property_id
        FROM unnest($1::text[], $2::uuid[]) AS subject (kind, id)
        JOIN public.crm_events e
          ON e.entity_type = subject.kind AND e.entity_id = subject.id AND e.version = 1
        """,
        [stream.entity_type for stream in keys],
        [stream.entity_id for stream in keys],
    )
    return {
        Stream(row["entity_type"], row["entity_id"]): IdOwner(row["org_id"], row["property_id"])
        for row in rows
    }


async def load_surviving_leads(conn: Connection, leads: Iterable[UUID]) -> dict[UUID, UUID]:
    """Return lead → the lead that it was merged into at last; itself if it was not merged."""
    winners: dict[UUID, UUID] = {}
    unread = all_leads = set(leads)
    while unread:
        rows = await conn.fetch(
            "SELECT DISTINCT ON (entity_id) entity_id, event_type, "
            "payload ->> 'winner_id' AS winner FROM public.crm_events "
            "WHERE entity_type = 'lead' AND entity_id = ANY($1::uuid[]) "
            "AND event_type = ANY($2::text[]) ORDER BY entity_id, version DESC",
            list(unread),
            [LeadMerged.name, LeadUnmerged.name],
        )
        found = {
            row["entity_id"]: UUID(row["winner"])
            for row in rows
            if row["event_type"] == LeadMerged.name
        }
        winners |= found
        unread = set(found.values()) - winners.keys()
    return {lead: _follow(winners, lead) for lead in all_leads}


def _follow(winners: Mapping[UUID, UUID], lead: UUID) -> UUID:
    while lead in winners:
        lead = winners[lead]
    return lead
