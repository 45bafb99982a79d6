"""Route of one lead."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from projections import consents, leads
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.current_scores import add_current_scores
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.property_lookup import load_surviving_lead
from services.api.reading import PreparedQuery
from services.api.responses import json_response
from services.api.schemas.lead_summaries import ConsentInForce, LeadSummaryResponse
from services.api.schemas.schema import LeadId

CONSENT_COLUMNS = tuple(ConsentInForce.model_fields)
_CONSENTS = PreparedQuery(consents.in_force, "org_id", "lead_ids")

router = APIRouter(prefix="/api/leads/{lead_id}", tags=["leads"])


@router.get(
    "", summary="Get a lead", response_model=LeadSummaryResponse,
    responses=error_responses(NOT_FOUND), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def get_lead(request: Request, caller: ConsoleReader, lead_id: LeadId) -> Response:
    """Return a lead with its current score and its consents.

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
    return json_response({
        "lead": scored,
        "members": members,
        "mergedLeads": [dict(row) for row in merged],
        "consents": [{name: row[name] for name in CONSENT_COLUMNS} for row in consent_rows],
    })  # fmt: skip
