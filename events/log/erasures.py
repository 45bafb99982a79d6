"""Erased data subjects as rows: written in the transaction of the append of their erasure."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from events.keys.ring import current_ring
from events.keys.store import Source, list_destroyed
from events.leads import LeadErased
from events.log.connection import Connection
from events.record import NewEvent


async def store_erasures(conn: Connection, events: Sequence[NewEvent]) -> None:
    """Store the data subjects that these new events erase; an earlier erasure stays as it is."""
    rows = [
        (subject_id, subject_type, new.id, new.occurred_at)
        for new in events
        if isinstance(event := new.event, LeadErased)
        for subject_type, subject_ids in (
            ("lead", [event.lead_id]),
            ("session", event.session_ids),
            ("conversation", event.conversation_ids),
        )
        for subject_id in subject_ids
    ]
    if rows:
        await conn.execute(
            "INSERT INTO crm.erased_subjects (subject_id, subject_type, event_id, erased_at) "
            "SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::timestamptz[]) "
            "ON CONFLICT (subject_id) DO NOTHING",
            *zip(*rows, strict=True),
        )


class ErasuresLost(Exception):
    """The key store has destroyed keys of persons whose erasure the log lacks."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"the log lacks the erasure of {count} data subjects whose keys are destroyed: it was "
            "restored from an older backup; run `crm privacy reapply`, then start again"
        )


class ErasedSubject(NamedTuple):
    """A data subject with a destroyed key, as the log knows it."""

    entity_type: str
    id: UUID
    org_id: UUID
    property_id: UUID
    lead_id: UUID | None


async def find_lost_erasures(source: Source) -> list[ErasedSubject]:
    """Return the subjects with a destroyed key that have events and no erasure in the log."""
    destroyed = await list_destroyed(await current_ring().store_of(source))
    rows = await source.fetch(
        """
        SELECT e.entity_type, e.entity_id, e.org_id, e.property_id,
          (SELECT lead_id FROM public.crm_events l WHERE l.entity_type = e.entity_type
             AND l.entity_id = e.entity_id AND l.lead_id IS NOT NULL LIMIT 1) AS lead_id
        FROM unnest($1::uuid[]) AS destroyed (id)
        JOIN public.crm_events e ON e.entity_id = destroyed.id AND e.version = 1
          AND e.entity_type IN ('lead', 'session', 'conversation')
        WHERE NOT EXISTS (SELECT FROM crm.erased_subjects s WHERE s.subject_id = destroyed.id)
        ORDER BY e.seq
        """,
        destroyed,
    )
    return [ErasedSubject(*row.values()) for row in rows]


async def require_erasures(source: Source) -> None:
    """Raise `ErasuresLost` while the log lacks erasures: nothing may be served before."""
    if lost := await find_lost_erasures(source):
        raise ErasuresLost(len(lost))
