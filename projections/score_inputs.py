"""Current scoring inputs: queries on the state of `lead_scores`, merged leads combined."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from projections.scores import STATE
from projections.scoring.inputs import ScoringInputs, combine


def of_surviving_leads(property_id: UUID, lead_ids: Sequence[UUID]) -> "Select[Any]":
    """Select the own inputs of surviving leads and of all leads merged into them.

    Columns: `top` (the surviving lead), `lead_id`, `inputs`. See `combine_inputs`.
    """
    in_property = STATE.c.property_id == property_id
    own = select(STATE.c.lead_id.label("top"), STATE.c.lead_id, STATE.c.inputs)
    below = own.where(in_property, STATE.c.lead_id.in_(lead_ids)).cte("below", recursive=True)
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
