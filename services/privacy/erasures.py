"""The erasures of the log, and how far each one is. The state is in no table of its own."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from events.keys import store
from events.keys.ring import current_ring
from events.keys.store import Source


class ErasureState(StrEnum):
    """The state of an erasure. The core takes every step by itself, also after a crash."""

    APPENDED = "appended"
    """The log has it. No message is sent any more, and reads of the log give erased values."""
    FOLDED = "folded"
    """All tables contain it."""
    COMPLETED = "completed"
    """The data keys are destroyed, and copies outside of the log too."""


@dataclass(frozen=True, slots=True)
class LeadErasure:
    """The erasure of one lead. `subjects` are the lead, its sessions and its conversations.

    `open_subjects` are those whose data key is not destroyed yet; `event_ids` are the events
    `lead.erased`, the oldest first.
    """

    lead_id: UUID
    org_id: UUID
    property_id: UUID
    event_ids: tuple[UUID, ...]
    erased_at: datetime
    subjects: frozenset[UUID]
    open_subjects: frozenset[UUID]
    is_folded: bool

    @property
    def state(self) -> ErasureState:
        if not self.is_folded:
            return ErasureState.APPENDED
        return ErasureState.FOLDED if self.open_subjects else ErasureState.COMPLETED


async def list_erasures(
    source: Source,
    *,
    lead_ids: Collection[UUID] | None = None,
    org_id: UUID | None = None,
    since: datetime | None = None,
) -> list[LeadErasure]:
    """Return the erasures of these leads, of an organisation, or of all, the oldest first."""
    rows = await source.fetch(
        """
        SELECT event.entity_id AS lead_id, event.org_id, event.property_id,
          min(erased.erased_at) AS erased_at, array_agg(erased.subject_id) AS subjects,
          array_agg(event.id ORDER BY event.seq) AS event_ids,
          bool_and(folded.subject_id IS NOT NULL) AS is_folded
        FROM crm.erased_subjects erased
        JOIN public.crm_events event ON event.id = erased.event_id
        LEFT JOIN crm_state.erased_subjects folded ON folded.subject_id = erased.subject_id
        WHERE ($1::uuid[] IS NULL OR event.entity_id = ANY($1))
          AND ($2::uuid IS NULL OR event.org_id = $2)
          AND ($3::timestamptz IS NULL OR erased.erased_at >= $3)
        GROUP BY event.entity_id, event.org_id, event.property_id
        ORDER BY min(erased.erased_at), event.entity_id
        """,
        None if lead_ids is None else list(lead_ids),
        org_id,
        since,
    )
    subjects = {subject_id for row in rows for subject_id in row["subjects"]}
    keys = await store.read_keys_of(await current_ring().store_of(source), subjects)
    destroyed = {subject_id for subject_id, key in keys.items() if key.wrapped is None}
    return [_erasure(row, destroyed) for row in rows]


def _erasure(row: asyncpg.Record, destroyed: Collection[UUID]) -> LeadErasure:
    subjects = frozenset(row["subjects"])
    return LeadErasure(
        row["lead_id"], row["org_id"], row["property_id"], tuple(dict.fromkeys(row["event_ids"])),
        row["erased_at"], subjects, subjects.difference(destroyed), row["is_folded"],
    )  # fmt: skip
