"""Current scores for the rows of a list of leads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from projections import score_inputs
from projections.scoring import v1
from projections.scoring.inputs import micros


async def add_current_scores(
    conn: AsyncConnection, property_id: UUID, rows: Sequence[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """Return the rows with `score` and `score_bucket` as of `now`; null for unscored leads.

    Time alone changes a score. The score is therefore computed from the stored inputs instead of
    read from the table, which a late timer may not have updated yet.
    """
    if not rows:
        return []
    query = score_inputs.of_surviving_leads(property_id, [row["id"] for row in rows])
    inputs_by_lead = score_inputs.combine_inputs((await conn.execute(query)).all())
    scored = []
    for row in rows:
        inputs = inputs_by_lead.get(row["id"])
        score = None if inputs is None else v1.score(inputs, micros(now))
        scored.append({
            **row, "score": score.total if score else None,
            "score_bucket": score.bucket if score else None,
        })  # fmt: skip
    return scored
