"""Current scores for the rows of a list of leads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from projections import score_inputs, scores
from projections.scoring import v1
from projections.scoring.inputs import micros


async def add_current_scores(
    conn: AsyncConnection, property_id: UUID, rows: Sequence[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """Return the rows with `score` and `score_bucket` as of `now`; null for unscored leads.

    Time alone changes a score. The score is therefore computed from the stored inputs instead of
    read from the table, which a late timer may not have updated yet. A restricted lead has its last
    score.
    """
    if not rows:
        return []
    restricted = [row["id"] for row in rows if row["restricted_at"] is not None]
    others = [row["id"] for row in rows if row["restricted_at"] is None]
    totals: dict[UUID, int | None] = {}
    if others:
        query = score_inputs.of_surviving_leads(property_id, others)
        inputs_by_lead = score_inputs.combine_inputs((await conn.execute(query)).all())
        totals = {
            lead_id: v1.score(inputs, micros(now)).total
            for lead_id, inputs in inputs_by_lead.items()
        }
    if restricted:
        stored = (await conn.execute(scores.stored_totals(property_id, restricted))).all()
        totals |= {row.lead_id: row.total_score for row in stored}
    scored = []
    for row in rows:
        total = totals.get(row["id"])
        bucket = None if total is None else v1.bucket_of(total)
        scored.append({**row, "score": total, "score_bucket": bucket})
    return scored
