"""Route of the console users of an organisation, to whom leads, tours and tasks are assigned."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from projections import host
from services.api.auth.console_authentication import ConsoleReader
from services.api.auth.row_security import read_as
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import error_responses
from services.api.reading import PreparedQuery
from services.api.responses import json_response
from services.api.schemas.agents import AgentListResponse

_AGENTS = PreparedQuery(host.profiles_of_organization, "org_id")

router = APIRouter(prefix="/api/agents", tags=["properties"])


@router.get(
    "", summary="List the console users of the organisation", response_model=AgentListResponse,
    responses=error_responses(), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_agents(request: Request, caller: ConsoleReader) -> Response:
    """Return id, name and role of each console user, by name."""
    async with read_as(context_of(request).pool, caller.claims) as conn:
        rows = await conn.all(_AGENTS(org_id=caller.org_id))
    return json_response({"agents": [dict(row) for row in rows]})
