"""Route of one lead."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from projections import consents, leads
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import ApiContext, context_of
from services.api.current_scores import add_current_scores
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import load_surviving_lead
from services.api.reading import PreparedQuery
from services.api.responses import json_response
from services.api.schemas.lead_summaries import ConsentInForce, LeadSummaryResponse
from services.api.schemas.schema import LeadId

CONSENT_COLUMNS = tuple(ConsentInForce.model_fields)
_CONSENTS = PreparedQuery(consents.in_force, "org_id", "lead_ids")

_ERASED_AT = "SELECT min(erased_at) FROM crm.erased_subjects WHERE subject_id = ANY($1::uuid[])"

router = APIRouter(prefix="/api/leads/{lead_id}", tags=["leads"])


@router.get(
    "", summary="Get a lead", response_model=LeadSummaryResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_lead(request: Request, caller: ConsoleReader, lead_id: LeadId) -> Response:
    """Return a lead with its current score and its consents; without a score if it was erased.

    The id of a merged lead gets the lead into which it was merged.
    """
    context = context_of(request)
    async with read_as(context.pool, caller.claims) as conn:
        lead = await load_surviving_lead(conn, caller, lead_id)
        members = lead.pop("members")
        [scored] = await add_current_scores(conn, lead["property_id"], [lead], context.clock.now())
        merged = []
        if len(members) > 1:
            merged = await conn.all(leads.merged_into(caller.org_id, members))
        consent_rows = await conn.all(_CONSENTS(org_id=caller.org_id, lead_ids=members))
    # No row level security limits the erased subjects: the caller may see this lead.
    erased_at = await find_erased_at(context, members)
    if erased_at is not None:
        scored |= {"score": None, "score_bucket": None}
    return json_response({
        "lead": scored,
        "erasedAt": erased_at,
        "members": members,
        "mergedLeads": [dict(row) for row in merged],
        "consents": [{name: row[name] for name in CONSENT_COLUMNS} for row in consent_rows],
    })  # fmt: skip


async def find_erased_at(context: ApiContext, members: list[UUID]) -> datetime | None:
    """Return the instant of the erasure of these leads; None if they were not erased."""
    erased_at: datetime | None = await context.pool.fetchval(_ERASED_AT, members)
    return erased_at
