"""Erased data subjects as rows: written in the transaction of the append of their erasure."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from events.keys.ring import current_ring
from events.keys.store import Source, list_destroyed
from events.leads import LeadErased
from events.log.connection import Connection
from events.log.erased_subjects import ERASABLE
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


class ErasuresNotFolded(Exception):
    """The tables lack erasures that the log has, and whose keys are destroyed."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"the tables lack the erasure of {count} data subjects whose keys are destroyed: they "
            "were restored from an older backup, and nothing is served or sent before the "
            "projector has applied the erasures; start the relay and the projector, and see "
            "`crm replay status` and `crm parked list`"
        )


class ErasedSubject(NamedTuple):
    """A data subject, as the log or a staged change knows it.

    `has_events`: the log has its stream. Otherwise the host wrote it shortly before the backup.
    """

    entity_type: str
    id: UUID
    org_id: UUID
    property_id: UUID
    lead_id: UUID | None
    has_events: bool


async def find_lost_erasures(source: Source, subject_ids: Collection[UUID]) -> list[ErasedSubject]:
    """Return those of the erased subjects that this database knows, without an erasure in the log.

    A subject that is in no stream and in no staged change was created after the backup.
    """
    rows = await source.fetch(
        """
        SELECT known.* FROM (
          SELECT e.entity_type, e.entity_id, e.org_id, e.property_id,
            (SELECT lead_id FROM public.crm_events l WHERE l.entity_type = e.entity_type
               AND l.entity_id = e.entity_id AND l.lead_id IS NOT NULL LIMIT 1) AS lead_id,
            true AS has_events, e.seq
          FROM unnest($1::uuid[]) AS subject (id)
          JOIN public.crm_events e ON e.entity_id = subject.id AND e.version = 1
          WHERE e.entity_type = ANY($2::text[])
          UNION ALL
          SELECT c.entity_type, c.entity_id, c.org_id, c.property_id,
            max(c.payload ->> 'lead_id')::uuid, false, min(c.seq)
          FROM crm.staged_changes c
          WHERE c.entity_id = ANY($1::uuid[]) AND c.entity_type = ANY($2::text[])
            AND NOT EXISTS (SELECT FROM public.crm_events e
              WHERE e.entity_type = c.entity_type AND e.entity_id = c.entity_id)
          GROUP BY c.entity_type, c.entity_id, c.org_id, c.property_id
        ) known
        WHERE NOT EXISTS (SELECT FROM crm.erased_subjects s WHERE s.subject_id = known.entity_id)
        ORDER BY known.has_events DESC, known.seq
        """,
        list(subject_ids),
        list(ERASABLE),
    )
    return [ErasedSubject(*row[:6]) for row in rows]


async def require_erasures(source: Source) -> list[UUID]:
    """Return the subjects whose key is destroyed. Raise `ErasuresLost` if the log lacks some."""
    destroyed = await list_destroyed(await current_ring().store_of(source))
    if lost := await find_lost_erasures(source, destroyed):
        raise ErasuresLost(len(lost))
    return destroyed
