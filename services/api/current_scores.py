"""Current scores for the rows of a list of leads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from projections import score_inputs
from projections.scoring import v1
from projections.scoring.inputs import ScoringInputs, micros
from services.api.reading import PreparedQuery, QueryRunner

_STANDINGS = PreparedQuery(score_inputs.standings, "property_id", "lead_ids")
_INPUTS = PreparedQuery(score_inputs.of_surviving_leads, "property_id", "lead_ids")


async def read_inputs(
    conn: QueryRunner, property_id: UUID, lead_ids: Sequence[UUID]
) -> dict[UUID, ScoringInputs]:
    """Return surviving lead → the inputs of its score."""
    query = _INPUTS(property_id=property_id, lead_ids=lead_ids)
    return score_inputs.combine_inputs(await conn.all(query))


async def add_current_scores(
    conn: QueryRunner, property_id: UUID, rows: Sequence[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """Return the rows with `score` and `score_bucket` as of `now`; null for unscored leads.

    Time alone changes a score. Where it has done so and the timer has not been applied yet, the
    score is computed from the stored inputs. A restricted lead has its last score.
    """
    if not rows:
        return []
    query = _STANDINGS(property_id=property_id, lead_ids=[row["id"] for row in rows])
    standings = await conn.all(query)
    totals: dict[UUID, int | None] = {row.lead_id: row.total_score for row in standings}
    changing = [row.lead_id for row in standings if not score_inputs.holds(row, now)]
    if changing:
        inputs_by_lead = await read_inputs(conn, property_id, changing)
        totals |= {
            lead_id: v1.score(inputs, micros(now)).total
            for lead_id, inputs in inputs_by_lead.items()
        }
    scored = []
    for row in rows:
        total = totals.get(row["id"])
        bucket = None if total is None else v1.bucket_of(total)
        scored.append({**row, "score": total, "score_bucket": bucket})
    return scored
