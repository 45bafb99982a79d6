"""Route of the history of a lead's score."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from projections import scores
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import load_surviving_lead
from services.api.reading import PreparedQuery, ResultRow
from services.api.responses import json_response
from services.api.schemas.schema import LeadId
from services.api.schemas.score_history import ScoreHistoryResponse
from services.application.score_causes import ScoreCause, list_score_causes

CHANGES, MAX_CHANGES = 100, 500
PARTS = ("engagement", "timing", "source", "completeness", "behavior")
_HISTORY = PreparedQuery(scores.history, "org_id", "lead_id", "limit")

router = APIRouter(prefix="/api/leads/{lead_id}/scores", tags=["leadpulse"])


@router.get(
    "", summary="List the changes of a lead's score", response_model=ScoreHistoryResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_score_changes(
    request: Request,
    caller: ConsoleReader,
    lead_id: LeadId,
    limit: Annotated[int, Query(ge=1, le=MAX_CHANGES)] = CHANGES,
) -> Response:
    """Return the newest changes, newest first, each with the events that moved the score.

    For a merged lead, return those of the lead into which it was merged.
    """
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        # One row more than the answer: the oldest one is compared with it.
        query = _HISTORY(org_id=caller.org_id, lead_id=lead["id"], limit=limit + 1)
        rows = await conn.all(query)
    async with context.pool.acquire() as pool_conn:
        instants = [row.scored_at for row in rows[:limit]]
        causes = await list_score_causes(pool_conn, caller.org_id, lead["members"], instants)
    before: Sequence[ResultRow | None] = [*rows[1:], None]
    return json_response({
        "scores": [
            _describe_change(row, older, causes.get(row.scored_at, ()))
            for row, older in list(zip(rows, before, strict=True))[:limit]
        ],
        "isComplete": len(rows) <= limit,
    })  # fmt: skip


def _describe_change(
    row: ResultRow, older: ResultRow | None, causes: Sequence[ScoreCause]
) -> dict[str, Any]:
    """Return a row of the history with its differences from the row before it."""
    moved = {
        part: row[f"{part}_score"] - (older[f"{part}_score"] if older is not None else 0)
        for part in PARTS
    }
    return {
        "id": row.id,
        "totalScore": row.total_score,
        "scoreBucket": row.score_bucket,
        "factors": row.factors,
        "scoredAt": row.scored_at,
        "modelVersion": row.model_version,
        "change": row.total_score - (older.total_score if older is not None else 0),
        "parts": {part: by for part, by in moved.items() if by},
        "events": [{"id": cause.id, "type": cause.event_type} for cause in causes],
    }
