"""Current scores: queries on the state of `lead_scores`, where merged leads are combined.

A stored result holds from the fold time until the next change time. Only between that instant and
the timer's event must a score be computed from the stored inputs. So the time to read a score does
not depend on the length of the lead's history.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Select, select

from projections import leads
from projections.scores import STATE
from projections.scoring.inputs import ScoringInputs, combine

_STANDING = (
    STATE.c.lead_id, STATE.c.property_id, STATE.c.fold_time, STATE.c.next_change_at,
    STATE.c.total_score, STATE.c.is_restricted,
)  # fmt: skip


def of_person(org_id: UUID, lead_id: UUID) -> "Select[Any]":
    """Select the score of a person: that of the lead, or of the one into which it was merged.

    Columns: those of `standings`, `result` (`v1.Score` as a list), `revision` and `scored_at`.
    """
    in_org = STATE.c.org_id == org_id
    links = select(STATE.c.lead_id, STATE.c.merged_into).where(in_org)
    up = links.where(STATE.c.lead_id == lead_id).cte("up", recursive=True)
    up = up.union(links.join(up, STATE.c.lead_id == up.c.merged_into))
    top = select(up.c.lead_id).where(up.c.merged_into.is_(None)).scalar_subquery()
    result = (STATE.c.result, STATE.c.revision, STATE.c.scored_at)
    return select(*_STANDING, *result).where(in_org, STATE.c.lead_id == top)


def standings(property_id: UUID, lead_ids: "Sequence[UUID] | BindParameter[Any]") -> "Select[Any]":
    """Select the stored total of surviving leads, and the times for which it holds."""
    in_property = STATE.c.property_id == property_id
    return select(*_STANDING).where(in_property, leads.of_any(STATE.c.lead_id, lead_ids))


def holds(row: Any, now: datetime) -> bool:
    """Return whether the stored result of a row is the score as of `now`.

    A restricted lead keeps its last score. An event may be a moment ahead of this clock.
    """
    if row.is_restricted:
        return True
    return bool(row.fold_time <= now and (row.next_change_at is None or now < row.next_change_at))


def of_surviving_leads(
    property_id: UUID, lead_ids: "Sequence[UUID] | BindParameter[Any]"
) -> "Select[Any]":
    """Select the own inputs of surviving leads and of all leads merged into them.

    Columns: `top` (the surviving lead), `lead_id`, `inputs`. See `combine_inputs`.
    """
    in_property = STATE.c.property_id == property_id
    own = select(STATE.c.lead_id.label("top"), STATE.c.lead_id, STATE.c.inputs)
    below = own.where(in_property, leads.of_any(STATE.c.lead_id, lead_ids)).cte(
        "below", recursive=True
    )
    losers = select(below.c.top, STATE.c.lead_id, STATE.c.inputs)
    below = below.union_all(
        losers.join(below, STATE.c.merged_into == below.c.lead_id).where(in_property)
    )
    return select(below)


def combine_inputs(rows: Sequence[Any]) -> dict[UUID, ScoringInputs]:
    """Return surviving lead → the inputs of its score, from the rows of `of_surviving_leads`."""
    own = {row.top: row.inputs for row in rows if row.top == row.lead_id}
    others: dict[UUID, list[ScoringInputs]] = {}
    for row in rows:
        if row.top != row.lead_id:
            others.setdefault(row.top, []).append(row.inputs)
    return own | {top: combine(own[top], inputs) for top, inputs in others.items()}
