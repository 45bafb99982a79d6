"""The events that moved a lead's score."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from events.event import Event
from events.log.connection import Connection
from events.merges import LeadMerged, LeadUnmerged
from events.restrictions import LeadRestrictionLifted
from events.scores import ScoreDue
from projections.scores import SCORED

MAX_CAUSES = 1_000
_MERGED: set[type[Event]] = {LeadMerged, LeadUnmerged, LeadRestrictionLifted}
_MOVERS: set[type[Event]] = (SCORED | _MERGED) - {ScoreDue}
_TYPES = [kind.name for kind in _MOVERS]


class ScoreCause(NamedTuple):
    """An event that may have moved a score."""

    id: UUID
    event_type: str


async def list_score_causes(
    conn: Connection, org_id: UUID, lead_ids: Sequence[UUID], instants: Sequence[datetime]
) -> Mapping[datetime, Sequence[ScoreCause]]:
    """Return instant → the events of these leads that can move a score and occurred then.

    A row of the history has the instant of its event.
    """
    causes: dict[datetime, list[ScoreCause]] = defaultdict(list)
    rows = await conn.fetch(
        "SELECT id, event_type, occurred_at FROM public.crm_events "
        "WHERE lead_id = ANY($1::uuid[]) AND org_id = $2 AND event_type = ANY($3::text[]) "
        "AND occurred_at = ANY($4::timestamptz[]) ORDER BY seq LIMIT $5",
        list(lead_ids), org_id, _TYPES, list(instants), MAX_CAUSES,
    )  # fmt: skip
    for row in rows:
        causes[row["occurred_at"]].append(ScoreCause(row["id"], row["event_type"]))
    return causes
