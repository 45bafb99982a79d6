"""Routes of properties."""

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
from services.api.schemas.properties import PropertyListResponse

_PROPERTIES = PreparedQuery(host.properties_of_organization, "org_id")

router = APIRouter(prefix="/api/properties", tags=["properties"])


@router.get(
    "", summary="List the properties of the organisation", response_model=PropertyListResponse,
    responses=error_responses(), dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def list_properties(request: Request, caller: ConsoleReader) -> Response:
    """Return id, name and time zone of each property, by name. The zone is null if none is set."""
    async with read_as(context_of(request).pool, caller.claims) as conn:
        rows = await conn.all(_PROPERTIES(org_id=caller.org_id))
    return json_response({"properties": [dict(row) for row in rows]})
